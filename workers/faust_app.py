"""The app as Faust's own command line finds it: `faust -A workers.faust_app:app`."""

from workers.app import InboxApp
from workers.settings import Settings

app = InboxApp(Settings.from_environment())
