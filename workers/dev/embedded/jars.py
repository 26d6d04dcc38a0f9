"""Fetches Apache Kafka's jars into the user's cache, once. After that no network is needed."""

import json
import shutil
import zipfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext, PythonResolver
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from workers.dev.embedded.process import EmbeddedServerError, locked

KAFKA_VERSION = "4.1.1"
COORDINATES = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
JARS_FETCH_SECONDS = 600.0
MANIFEST = "manifest.json"  # the size of each jar in bytes, by its name


def cache_directory() -> Path:
    """Returns the directory of the fetched jars."""
    return user_cache_path("inbox-embedded")


def kafka_jars() -> list[Path]:
    """Returns the jars of Kafka's class path. Fetches them first if the cache lacks them.

    Raises EmbeddedServerError when they cannot be fetched.
    """
    home = cache_directory() / f"kafka-{KAFKA_VERSION}"
    return kept_jars(home) or fetch_once(home)


def kept_jars(home: Path) -> list[Path]:
    """Returns the jars of a finished fetch; none when a jar is missing or incomplete."""
    manifest = home / MANIFEST
    if not manifest.exists():
        return []
    sizes: dict[str, int] = json.loads(manifest.read_text())
    jars = {home / name: size for name, size in sizes.items()}
    whole = all(jar.exists() and jar.stat().st_size == size for jar, size in jars.items())
    return list(jars) if whole else []


def fetch_once(home: Path) -> list[Path]:
    """Fetch the jars into `home`, unless another process does it in the meantime."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with locked(home.parent / "lock", JARS_FETCH_SECONDS):
        if not kept_jars(home):  # else another process fetched them while this one waited
            # Renamed last, so that an interrupted fetch leaves nothing that looks complete.
            unfinished = home.with_name(f"{home.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)
            fetch(unfinished)
            unfinished.rename(home)
    return kept_jars(home)


def fetch(home: Path) -> None:
    """Fetch all jars into a new directory, and write its manifest."""
    home.mkdir()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"Apache Kafka {KAFKA_VERSION}: reading what it needs", total=None)
        try:
            artifacts = resolve(home / "maven")
            progress.update(bar, description=f"Apache Kafka {KAFKA_VERSION}", total=len(artifacts))
            jars = []
            for artifact in artifacts:
                jars.append(keep(artifact, home))
                progress.advance(bar)
        except Exception as error:  # jgo documents none: errors of HTTP and XML pass through it
            raise EmbeddedServerError(
                f"Apache Kafka {KAFKA_VERSION} is not in {home.parent} and could not be fetched "
                f"({type(error).__name__}: {error}). Start again with a network, or set "
                "INBOX_KAFKA to the address of a Kafka of your own."
            ) from error
    shutil.rmtree(home / "maven", ignore_errors=True)  # missing if the user's Maven had all jars
    (home / MANIFEST).write_text(json.dumps({jar.name: jar.stat().st_size for jar in jars}))


def resolve(repository: Path) -> list[Artifact]:
    """Returns every jar that Kafka needs to run, found by jgo's resolver in Python, without Maven.

    jgo's environments are not used: they fetch a JDK of their own to sort jars into modules. The
    repository of the user's Maven is only read: jgo writes in place, so a jar there could be left
    incomplete.
    """
    settings = GlobalSettings.load()
    local = [settings.repo_cache]
    context = MavenContext(PythonResolver(), repo_cache=repository, local_repos=local)
    # The user's own first: a user with a mirror often cannot reach the central repository.
    context.remote_repos = {**settings.repositories, **context.remote_repos}
    wanted = [context.create_dependency(coordinate) for coordinate in COORDINATES]
    inputs, others = context.resolver.resolve(wanted)
    needed = [each for each in others if each.scope in ("compile", "runtime")]
    return [each.artifact for each in (*inputs, *needed)]


def keep(artifact: Artifact, home: Path) -> Path:
    """Fetch one jar into `home`, and check that it is complete."""
    jar = home / artifact.filename
    shutil.copyfile(artifact.resolve(), jar)
    with zipfile.ZipFile(jar) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{jar.name}: {broken}")
    return jar
