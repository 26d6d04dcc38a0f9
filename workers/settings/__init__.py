"""Every setting of this program: read from environment variables, and checked at the start."""

from workers.settings.settings import DEFAULT_ROLES, Role, Settings
from workers.settings.variables import SettingsError, masked, required

__all__ = ["DEFAULT_ROLES", "Role", "Settings", "SettingsError", "masked", "required"]
