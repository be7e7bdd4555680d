//! Keeps what a run is called, drawn from and made for, written before anything else of it, with the number of its lives.

use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;
use dragline_disk::{Disk, Open, write_whole};
use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::file::{VERSION, numbered};
use crate::log::SEGMENT_PREFIX;

/// The file's name.
pub(crate) const META_FILE: &str = "state.toml";
/// Its name while it is written.
pub(crate) const META_PART_FILE: &str = "state.toml.tmp";
/// The most bytes of the file: it holds no more than a description of the crawl.
const META_BYTES_MAX: u64 = 16 << 20;

/// What is known of a run before it begins, and of each life when it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The run's id: everything in the folder belongs to it.
    pub run: RunId,
    /// The seed of its fingerprints and of all chance.
    pub seed: u64,
    /// When it was created, as RFC 3339 text.
    pub created: String,
    /// How many of its lives have begun. Those that were killed before their first commit left no other trace.
    pub lives: u32,
    /// What it crawls, in the caller's words, to be compared with what is asked for at a later start.
    pub crawl: String,
}

/// The file. Numbers of 64 bits are hexadecimal text, since those of TOML have a sign.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    run: String,
    seed: String,
    created: String,
    lives: u32,
    crawl: String,
    checksum: String,
}

/// The part of the file that every version has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

impl Meta {
    /// Reads the file; `None` when the folder holds no run.
    ///
    /// # Errors
    /// When it was written by a newer version, is damaged, or is gone while a log is there.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(META_FILE);
        let failed = |source| LogError::from_io(&path, "read", source);
        let file = match disk.open(&path, Open::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return nothing(disk, dir, path),
            file => file.map_err(failed)?,
        };
        let len = file.len().map_err(failed)?;
        if len > META_BYTES_MAX {
            return Err(LogError::damaged(&path, META_BYTES_MAX, "it is too long"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = file.read_at(0, &mut bytes).map_err(failed)?;
        let damaged = |offset: usize, what: &str| LogError::damaged(&path, offset as u64, what.to_owned());
        if read < bytes.len() {
            return Err(damaged(read, "it was cut while it was read"));
        }
        let text =
            std::str::from_utf8(&bytes).map_err(|error| damaged(error.valid_up_to(), "it is no text"))?;
        let at = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let wrong = |error: toml::de::Error| damaged(at(&error), error.message());
        let AnyVersion { version } = toml::from_str(text).map_err(wrong)?;
        if version > VERSION {
            return Err(LogError::NewerVersion { path, found: version });
        }
        let text: Text = toml::from_str(text).map_err(wrong)?;
        let meta = text.meta().ok_or_else(|| damaged(0, "it is not as it was written"))?;
        Ok(Some(meta))
    }

    /// Writes the file, durable when it returns, and the folder if it is missing.
    ///
    /// # Errors
    /// When it cannot be written; the folder then holds what it held before. When the description is too long.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(META_FILE);
        let text = toml::to_string(&Text::of(self)).map_err(|error| LogError::Io {
            path: path.clone(),
            action: "write",
            source: std::io::Error::other(error),
        })?;
        if text.len() as u64 > META_BYTES_MAX {
            let bytes = text.len() as u64;
            return Err(LogError::TooLarge {
                what: "description of a crawl",
                bytes,
                bytes_max: META_BYTES_MAX,
            });
        }
        disk.create_dir(dir).map_err(|source| LogError::from_io(dir, "create", source))?;
        write_whole(disk, &path, text.as_bytes())
            .map_err(|source| LogError::from_io(&path, "write", source))?;
        // A process that died right after it created the folder may have left its name unsynced.
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk.sync_dir(above).map_err(|source| LogError::sync(above, source))
    }
}

impl Text {
    fn of(meta: &Meta) -> Self {
        let mut text = Self {
            version: VERSION,
            run: meta.run.to_string(),
            seed: format!("{:016x}", meta.seed),
            created: meta.created.clone(),
            lives: meta.lives,
            crawl: meta.crawl.clone(),
            checksum: String::new(),
        };
        text.checksum = text.expected_checksum();
        text
    }

    fn meta(self) -> Option<Meta> {
        if self.version != VERSION || self.checksum != self.expected_checksum() {
            return None;
        }
        let run = RunId(u64::from_str_radix(&self.run, 16).ok()?);
        let seed = u64::from_str_radix(&self.seed, 16).ok()?;
        Some(Meta { run, seed, created: self.created, lives: self.lives, crawl: self.crawl })
    }

    /// One wrong digit of the seed would make every URL unknown, so that text which can be read is not enough.
    fn expected_checksum(&self) -> String {
        let Self { version, run, seed, created, lives, crawl, checksum: _ } = self;
        let text = format!("{version}\n{run}\n{seed}\n{created}\n{lives}\n{crawl}");
        format!("{:08x}", crc32c::crc32c(text.as_bytes()))
    }
}

/// Returns that the folder holds no run, if that is so.
fn nothing(disk: &dyn Disk, dir: &Path, path: PathBuf) -> Result<Option<Meta>, LogError> {
    match numbered(disk, dir, SEGMENT_PREFIX) {
        Ok(segments) if segments.is_empty() => Ok(None),
        Ok(_) => Err(LogError::Missing { path }),
        Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;

    fn meta() -> Meta {
        Meta {
            run: RunId(0xfedc_ba98_7654_3210),
            seed: u64::MAX,
            created: "2026-11-29T00:26:00Z".to_owned(),
            lives: 3,
            crawl: "seeds = [\"https://a.example/\"]\nscope = \"host\"\n".to_owned(),
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("out/state");
        assert_eq!(Meta::read(&FileDisk, &dir).unwrap(), None, "there is no folder");
        meta().write(&FileDisk, &dir).unwrap();
        assert_eq!(Meta::read(&FileDisk, &dir).unwrap(), Some(meta()));
        let other = Meta { crawl: String::new(), ..meta() };
        other.write(&FileDisk, &dir).unwrap();
        assert_eq!(Meta::read(&FileDisk, &dir).unwrap(), Some(other));
    }

    #[test]
    fn nothing_torn_or_edited_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(META_FILE);
        meta().write(&FileDisk, folder.path()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let refused = |contents: &[u8]| {
            std::fs::write(&path, contents).expect("the folder is there");
            let error = Meta::read(&FileDisk, folder.path()).expect_err("it is damaged");
            assert!(matches!(error, LogError::Damaged { .. } | LogError::NewerVersion { .. }), "{error}");
        };
        // Without the line's end at the end nothing is missing.
        for at in 0..whole.len() - 1 {
            refused(&whole[..at]);
            let mut broken = whole.clone();
            broken[at] ^= 1;
            refused(&broken);
        }
        let error = |contents: &str| {
            std::fs::write(&path, contents).expect("the folder is there");
            Meta::read(&FileDisk, folder.path()).expect_err("it is not ours").to_string()
        };
        assert!(error("version = 2\nrun = 7\nnew = true").contains(
            "was written by a newer version of Dragline (format 2): use that version, or start over with `--fresh`"
        ));
        assert!(error("version = 1\nrun = 7").contains("state.toml is damaged at byte 18 (invalid type"));
    }

    #[test]
    fn a_log_without_its_run_is_no_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Meta::read(&FileDisk, folder.path()).unwrap(), None);
        std::fs::write(folder.path().join("log-0000000001"), "").unwrap();
        let error = Meta::read(&FileDisk, folder.path()).unwrap_err();
        assert!(error.to_string().contains("state.toml is gone; nothing was changed"), "{error}");
    }

    #[test]
    fn a_description_that_could_not_be_read_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let meta = Meta { crawl: "x".repeat(17 << 20), ..meta() };
        let error = meta.write(&FileDisk, folder.path()).unwrap_err();
        assert!(matches!(error, LogError::TooLarge { .. }), "{error}");
        assert_eq!(Meta::read(&FileDisk, folder.path()).unwrap(), None);
    }
}
