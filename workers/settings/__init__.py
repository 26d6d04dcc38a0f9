"""Every setting of this program, read from environment variables and checked once."""

from workers.settings.settings import Role, Settings, SettingsError, masked, required

__all__ = ["Role", "Settings", "SettingsError", "masked", "required"]
