//! Reads what configuration comes from outside the program: files and the environment.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::network::{NetworkPlan, SecretPlan};
use crate::origins::Origins;
use crate::source::{SourceKind, Spot};

/// The longest configuration file.
pub(crate) const CONFIG_BYTES_MAX: u64 = 4 << 20;
/// The longest file of seeds.
pub(crate) const SEEDS_BYTES_MAX: u64 = 1 << 30;

/// The longest file of a secret.
pub(crate) const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The start of the names of environment variables that are ours.
pub(crate) const PREFIX: &str = "DRAGLINE_";

/// Returns the environment variables that configuration may depend on: `DRAGLINE_*`, `XDG_CONFIG_HOME` and `HOME`.
///
/// Settings are read nowhere else; hand the pairs to [`crate::Loader::environment`]. A value
/// that is not UTF-8 comes with replacement characters, so that it fails its check instead of being ignored.
pub fn from_environment() -> Vec<(String, String)> {
    let pairs = std::env::vars_os();
    let texts = pairs.map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()));
    texts
        .filter(|(name, _): &(String, String)| {
            name.starts_with(PREFIX) || name == "XDG_CONFIG_HOME" || name == "HOME"
        })
        .collect()
}

/// Reads the environment variable that a key names; the error is for people and shows no value.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn read_variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("the environment variable {name} is not set"),
        std::env::VarError::NotUnicode(_) => format!("the environment variable {name} is not UTF-8"),
    })
}

/// Returns the files that are looked for when none is named, the weakest first.
pub(crate) fn searched(environment: &[(String, String)]) -> Vec<PathBuf> {
    let value = |wanted: &str| {
        let pair = environment.iter().rev().find(|(name, _)| name == wanted);
        pair.map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    let home = value("XDG_CONFIG_HOME").or_else(|| value("HOME").map(|home| home.join(".config")));
    let user = home.map(|home| home.join("dragline/dragline.toml"));
    let system = PathBuf::from("/etc/dragline/dragline.toml");
    [Some(system), user, Some(PathBuf::from("dragline.toml"))].into_iter().flatten().collect()
}

/// Reads a file of text; the error is for people.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let fail = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("cannot read {}: longer than {bytes_max} bytes", path.display()));
    }
    // A byte order mark is no part of the text.
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("cannot read {}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to())
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// Returns where a file is: a relative path starts at the configuration file that names it, if a file does.
pub(crate) fn beside(named: Option<&Spot>, file: &Path) -> PathBuf {
    let home = match named.map(|spot| &spot.source.kind) {
        Some(SourceKind::File(config)) => Path::new(config.as_ref()).parent(),
        _ => None,
    };
    home.unwrap_or(Path::new("")).join(file)
}

/// Starts every relative path of a plan at the configuration file that names it.
pub(crate) fn anchor(network: &mut NetworkPlan, origins: &Origins) {
    let place = |key: &str, file: &mut PathBuf| *file = beside(origins.spot(key), file);
    let tls = &mut network.tls;
    for (index, file) in tls.ca_files.iter_mut().enumerate() {
        place(&format!("tls.ca_files[{index}]"), file);
    }
    for (key, file) in [("tls.client_cert", &mut tls.client_cert), ("tls.client_key", &mut tls.client_key)] {
        file.iter_mut().for_each(|file| place(key, file));
    }
    let secret = |key: String, secret: &mut SecretPlan| {
        secret.file.iter_mut().for_each(|file| place(&key, file));
    };
    for (index, proxy) in network.proxies.iter_mut().enumerate() {
        secret(format!("proxy[{index}].password_file"), &mut proxy.password);
    }
    for (index, auth) in network.auth.iter_mut().enumerate() {
        secret(format!("auth[{index}].password_file"), &mut auth.password);
        secret(format!("auth[{index}].token_file"), &mut auth.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_is_the_strongest() {
        let check = |pairs: &[(&str, &str)], expected: &[&str]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let found: Vec<String> = searched(&pairs).iter().map(|path| path.display().to_string()).collect();
            assert_eq!(found, expected);
        };
        let system = "/etc/dragline/dragline.toml";
        check(&[], &[system, "dragline.toml"]);
        check(&[("HOME", "/h")], &[system, "/h/.config/dragline/dragline.toml", "dragline.toml"]);
        let both = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")];
        check(&both, &[system, "/x/dragline/dragline.toml", "dragline.toml"]);
        check(&[("HOME", "relative")], &[system, "dragline.toml"]);
    }
}
