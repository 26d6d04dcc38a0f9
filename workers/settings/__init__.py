"""Every setting of this program: read from environment variables, and checked at the start."""

from workers.settings.settings import Role, Settings
from workers.settings.variables import SettingsError, masked, required

__all__ = ["Role", "Settings", "SettingsError", "masked", "required"]
