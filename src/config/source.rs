//! The sources of the configuration: a TOML file, then the environment, then `-s`; the last value
//! is used. Read on the main thread at start, and by the control thread at a reload.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::configuration::Config;
use super::draft::Draft;
use super::error::{ConfigError, ConfigErrors, ValueSource};
use super::file::File;
use super::registry::{self, SECTIONS};
use super::value::{RawValue, Visibility};

/// The prefix of the environment variables for keys.
const PREFIX: &str = "FANFARE_";

/// Everything that a configuration is made from. It is kept, so that the configuration can be
/// loaded again.
///
/// There is no `Debug`, because arguments and variables may contain passwords.
#[derive(Clone, Default)]
pub struct ConfigSource {
    /// The argument of `-c`.
    pub file: Option<PathBuf>,
    /// The environment variables whose names begin with `FANFARE_`.
    pub environment: Vec<(String, String)>,
    /// The arguments of `-s`, `section.key=value`, in order.
    pub overrides: Vec<String>,
    /// The cores that the process may use, in ascending order. Empty if they are not known.
    pub allowed_cores: Vec<usize>,
}

/// A configuration that was loaded again.
pub struct Reloaded {
    pub config: Config,
    pub file: FileContent,
}

/// Whether a configuration file sets anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileContent {
    Settings,
    /// There is a file, and it is empty or has only comments and empty tables.
    NoSettings,
    /// No file was given.
    NoFile,
}

impl ConfigSource {
    /// Returns the source with the environment and the allowed cores of this process.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<String>) -> Self {
        let variable = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            let value = value.into_string().ok()?;
            name.starts_with(PREFIX).then_some((name, value))
        };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        Self {
            file,
            environment: std::env::vars_os().filter_map(variable).collect(),
            overrides,
            allowed_cores: cores.iter().map(|core| core.id).collect(),
        }
    }

    /// Returns whether a configuration file was given.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads all sources in order and checks the result. Returns every error, not only the first.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.into(),
                source,
            })
        };
        self.load_with(read).map(|reloaded| reloaded.config)
    }

    /// Reads all sources again. Never waits: a file that is not a regular file is an error, because
    /// a pipe is empty after it was read once, and opening a FIFO waits for a writer.
    pub fn reload(&self) -> Result<Reloaded, ConfigErrors> {
        self.load_with(read_regular)
    }

    fn load_with(
        &self,
        read: impl Fn(&Path) -> Result<String, ConfigError>,
    ) -> Result<Reloaded, ConfigErrors> {
        let mut draft = Draft::default();
        let mut file = FileContent::NoFile;
        if let Some(path) = &self.file {
            match read(path) {
                Ok(text) => File::new(path, &text).read(&mut draft),
                Err(error) => draft.unreadable(error),
            }
            file = if draft.has_settings() {
                FileContent::Settings
            } else {
                FileContent::NoSettings
            };
        }
        for (name, value) in &self.environment {
            read_variable(&mut draft, name, value);
        }
        for text in &self.overrides {
            read_override(&mut draft, text);
        }
        let config = draft.finish(&self.allowed_cores)?;
        Ok(Reloaded { config, file })
    }
}

/// Reads a regular file. The type is checked after the file was opened, so that no other file can
/// take its place in between, and it is opened without waiting.
fn read_regular(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.into(),
        source,
    };
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut file = options.open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(ConfigError::NotReloadable { path: path.into() });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Reads a variable such as `FANFARE_WS_PONG_TIMEOUT=8s`.
///
/// A variable that is not a key is an error if it begins with the name of a table, is the last part
/// of a key, or is similar to a key. Other variables are ignored: another program may use them.
fn read_variable(draft: &mut Draft, name: &str, value: &str) {
    let Some(bare) = name.strip_prefix(PREFIX) else {
        return;
    };
    let at = ValueSource::Environment(name.into());
    let keys = registry::keys().map(|key| key.name);
    let sections = SECTIONS.iter().map(|section| section.name);
    let mut known = keys.chain(sections.filter(|name| !name.is_empty()));
    if let Some(known) = known.find(|known| registry::variable(known) == bare) {
        return draft.set(known, &RawValue::from_text(value), at);
    }
    if is_of_kubernetes(bare, value) {
        return;
    }
    let key = bare.to_lowercase();
    let section = key.split('_').next().unwrap_or_default();
    let mut nearest = registry::ending_in(&key);
    let is_last_part = !nearest.is_empty();
    if !is_last_part {
        nearest = registry::suggestions(&key.replacen('_', ".", 1));
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(&registry::variable(known), bare);
    let is_similar = nearest.iter().any(|known| distance(known) <= 2);
    if is_last_part || is_similar || registry::is_section(section) {
        draft.fail(ConfigError::UnknownKey { at, key, nearest });
    }
}

/// Returns whether Kubernetes sets this variable in every pod beside a service, such as
/// `FANFARE_ADMIN_PORT=tcp://10.0.0.1:8001` for the service `fanfare-admin`. `bare` is the name
/// without `FANFARE_`.
fn is_of_kubernetes(bare: &str, value: &str) -> bool {
    let has_number_of_port = || {
        let parts = bare.split('_');
        let pairs = parts.clone().zip(parts.skip(1));
        let is_number = |part: &str| part.parse::<u16>().is_ok();
        pairs
            .into_iter()
            .any(|(name, number)| name == "PORT" && is_number(number))
    };
    let is_url = |value: &str| {
        ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|it| value.starts_with(it))
    };
    ["SERVICE_HOST", "SERVICE_PORT"]
        .iter()
        .any(|name| bare.contains(name))
        || has_number_of_port()
        || (bare.ends_with("PORT") && is_url(value))
}

/// The beginnings of keys whose values may be secrets.
const SECTIONS_WITH_SECRETS: [&str; 4] = ["admin", "auth", "hooks", "ingest"];

/// Returns an argument without `=` for an error. Anything after another separator may be a secret.
fn without_value(text: &str) -> String {
    match text.find([':', ' ']) {
        Some(end) => format!("{}***", &text[..=end]),
        None => text.into(),
    }
}

/// Reads an argument of `-s`: `section.key=value` or `namespace.NAME.key=value`.
fn read_override(draft: &mut Draft, text: &str) {
    let Some((key, value)) = text.split_once('=') else {
        return draft.fail(ConfigError::Syntax {
            at: ValueSource::Flag(without_value(text)),
            text: "expected section.key=value".into(),
        });
    };
    let (key, value) = (key.trim(), RawValue::from_text(value.trim()));
    // A key that does not exist may be the misspelled key of a secret.
    let is_secret = match registry::find_key(key) {
        Some(key) => key.visibility == Visibility::Secret,
        None => SECTIONS_WITH_SECRETS
            .iter()
            .any(|section| key.starts_with(section)),
    };
    let at = ValueSource::Flag(if is_secret {
        format!("{key}=***")
    } else {
        text.into()
    });
    let namespace = key.strip_prefix("namespace.");
    match namespace.and_then(|rest| rest.rsplit_once('.')) {
        Some((name, key)) => {
            let index = draft.namespace_index(name, &at);
            draft.set_namespace(index, key, &value, at);
        }
        None => draft.set(key, &value, at),
    }
}
