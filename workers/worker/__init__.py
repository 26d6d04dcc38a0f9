"""One worker put together: the roles it plays, the Faust app, its web server."""
