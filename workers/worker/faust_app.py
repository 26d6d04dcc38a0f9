"""The app as Faust's own command line finds it: `faust -A workers.worker.faust_app:app`."""

from workers.settings import Settings
from workers.worker.app import InboxApp

app = InboxApp(Settings.from_environment())
