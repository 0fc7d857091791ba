"""Starts the browsers of this machine headless on a page, without background requests, and ends them."""

import os
import shutil
import signal

CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --disable-dev-shm-usage"
).split()
FIREFOX_PREFERENCES = {
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
    "toolkit.telemetry.enabled": False,
}


def browser_command(name, profile, page):
    """Returns the command for the browser that `name` ends with. The first word is None if it is not
    installed."""
    if name.endswith("Chromium"):
        return [shutil.which("chromium"), *CHROMIUM, f"--user-data-dir={profile}", page]
    lines = (f"user_pref({repr_js(key)}, {repr_js(value)});" for key, value in FIREFOX_PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines))
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    return [program, "--headless", "--no-remote", "--profile", profile, page]


def repr_js(value):
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def end_group(process):
    """Kills a process and all processes in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
