"""Fetches Apache Kafka's jars into the user's cache, once; then they need no network."""

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
FETCH_SECONDS = 600.0
MANIFEST = "manifest.json"  # the size of each jar in bytes, by its name


def cache_directory() -> Path:
    """The directory that keeps what was fetched."""
    return user_cache_path("inbox-embedded")


def kafka_jars() -> list[Path]:
    """Gives the jars of Kafka's class path, fetching them first where they are not in the cache.

    Raises EmbeddedServerError where they cannot be fetched.
    """
    home = cache_directory() / f"kafka-{KAFKA_VERSION}"
    return kept_jars(home) or fetch_once(home)


def kept_jars(home: Path) -> list[Path]:
    """Gives the jars that a finished fetch left, or none where one is missing or cut short."""
    manifest = home / MANIFEST
    if not manifest.exists():
        return []
    sizes: dict[str, int] = json.loads(manifest.read_text())
    jars = {home / name: size for name, size in sizes.items()}
    whole = all(jar.exists() and jar.stat().st_size == size for jar, size in jars.items())
    return list(jars) if whole else []


def fetch_once(home: Path) -> list[Path]:
    """Fetch the jars into `home`, unless another process has done it meanwhile."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with locked(home.parent / "lock", FETCH_SECONDS):
        if not kept_jars(home):  # else another process fetched them while this one waited
            # Named last, so that a fetch that is cut off leaves nothing that looks whole.
            unfinished = home.with_name(f"{home.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)
            fetch(unfinished)
            unfinished.rename(home)
    return kept_jars(home)


def fetch(home: Path) -> None:
    """Fetches every jar into a new directory and writes its manifest."""
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
        except Exception as error:  # jgo declares none: HTTP's and XML's come through it
            raise EmbeddedServerError(
                f"Apache Kafka {KAFKA_VERSION} is not in {home.parent} and could not be fetched "
                f"({type(error).__name__}: {error}). Start again with a network, or set "
                "INBOX_KAFKA to the address of a Kafka of your own."
            ) from error
    shutil.rmtree(home / "maven", ignore_errors=True)  # none, where the user's Maven had it all
    (home / MANIFEST).write_text(json.dumps({jar.name: jar.stat().st_size for jar in jars}))


def resolve(repository: Path) -> list[Artifact]:
    """Gives every jar that running Kafka needs, by jgo's resolver in Python: Maven is never run.

    jgo's environments are left out: to sort jars into modules they fetch a JDK of their own. What
    the user's Maven has already is only read: jgo writes in place and could leave it half a file.
    """
    settings = GlobalSettings.load()
    kept = [settings.repo_cache]
    context = MavenContext(PythonResolver(), repo_cache=repository, local_repos=kept)
    # The user's own first: where there is a mirror, the central repository is often out of reach.
    context.remote_repos = {**settings.repositories, **context.remote_repos}
    asked = [context.create_dependency(coordinate) for coordinate in COORDINATES]
    inputs, others = context.resolver.resolve(asked)
    needed = [each for each in others if each.scope in ("compile", "runtime")]
    return [each.artifact for each in (*inputs, *needed)]


def keep(artifact: Artifact, home: Path) -> Path:
    """Fetches one jar and puts it in `home`, after checking that it is whole."""
    jar = home / artifact.filename
    shutil.copyfile(artifact.resolve(), jar)
    with zipfile.ZipFile(jar) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{jar.name}: {broken}")
    return jar
