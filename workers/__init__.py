"""The programs: workers, the command line, the embedded servers."""
