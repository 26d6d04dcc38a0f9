"""Operations of the API over HTTP."""
