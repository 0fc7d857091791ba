//! Loads configurations like a process on a host with four cores.

use std::path::PathBuf;

use fanfare::config::{Config, ConfigError, ConfigSource, Contradiction, ValueSource};

/// Returns a source on a host with four cores.
pub(crate) fn source(
    file: Option<&str>,
    environment: &[(&str, &str)],
    overrides: &[&str],
) -> Loader {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("fanfare.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("the file is written");
    }
    let pair = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    let source = ConfigSource {
        file: file.map(|_| path.clone()),
        environment: environment.iter().map(pair).collect(),
        overrides: overrides.iter().map(|text| (*text).into()).collect(),
        allowed_cores: vec![0, 1, 2, 3],
    };
    Loader {
        source,
        path,
        _directory: directory,
    }
}

pub(crate) struct Loader {
    pub(crate) source: ConfigSource,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Loader {
    #[track_caller]
    pub(crate) fn config(&self) -> Config {
        self.source.load().expect("the configuration is valid")
    }

    #[track_caller]
    pub(crate) fn errors(&self) -> Vec<ConfigError> {
        let errors = self
            .source
            .load()
            .expect_err("the configuration is invalid");
        errors.into_iter().collect()
    }

    /// Returns the texts of all errors without the directory of the file.
    #[track_caller]
    pub(crate) fn texts(&self) -> Vec<String> {
        let errors = self.errors();
        let texts = errors.iter().map(|error| self.without_directory(error));
        texts.collect()
    }

    /// Returns the only error.
    #[track_caller]
    pub(crate) fn error(&self) -> ConfigError {
        let mut errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    /// Returns the text of the error without the directory of the file.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.without_directory(&self.error())
    }

    fn without_directory(&self, error: &ConfigError) -> String {
        let directory = self
            .path
            .parent()
            .expect("a file has a directory")
            .display()
            .to_string();
        error.to_string().replace(&format!("{directory}/"), "")
    }
}

pub(crate) fn file(text: &str) -> Loader {
    source(Some(text), &[], &[])
}

pub(crate) fn flags(overrides: &[&str]) -> Loader {
    source(None, &[], overrides)
}

#[track_caller]
pub(crate) fn contradiction(overrides: &[&str]) -> Contradiction {
    match flags(overrides).error() {
        ConfigError::Contradiction { contradiction, .. } => contradiction,
        other => panic!("the error of {overrides:?} is {other}"),
    }
}

/// Returns the error for a value that does not have the format of its key.
#[track_caller]
pub(crate) fn invalid_value(key: &str, value: &str) -> String {
    match flags(&[&format!("{key}={value}")]).error() {
        ConfigError::Value {
            at: ValueSource::Flag(_),
            key: found,
            text,
        } => {
            assert_eq!(found, key);
            text
        }
        other => panic!("the error of {key}={value} is {other}"),
    }
}
