//! Knows the shelf files there are, and removes those in which nothing lives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::choose::ChunkFile;
use super::names::SHELF_PREFIX;
use super::writer::ShelfWriter;
use crate::error::LogError;
use crate::file::{Pieces, numbered};
use crate::log::{BlockFile, LogReader, Place};

/// The shelf files of a folder.
#[derive(Debug)]
pub(crate) struct Shelves {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    /// Those that the named snapshot may need, each with its length.
    files: BTreeMap<u32, u64>,
    /// The number of the next one, greater than any that this life saw: no file stands under the name of another.
    next: u32,
}

impl Shelves {
    /// Finds the shelf files of a folder that this process owns and removes those without a chunk in these places.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file not be removed.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        places: &[(u64, Place)],
    ) -> Result<Self, LogError> {
        let needed: BTreeSet<u64> = places
            .iter()
            .filter_map(|(_, place)| match place.file {
                BlockFile::Shelf(number) => Some(number.into()),
                BlockFile::Segment(_) => None,
            })
            .collect();
        let (mut files, mut next) = (BTreeMap::new(), 1);
        for (number, path) in numbered(&*disk, dir, SHELF_PREFIX)? {
            let known = u32::try_from(number).ok().filter(|_| needed.contains(&number));
            match known {
                Some(number) => drop(files.insert(number, Pieces::open(&*disk, path)?.len())),
                // Without a sync of the folder: one that comes again with a power loss is removed again.
                None => {
                    disk.remove(&path).map_err(|source| LogError::from_io(&path, "remove", source))?;
                }
            }
            next = next.max(u32::try_from(number).unwrap_or_default().saturating_add(1));
        }
        Ok(Self { disk, dir: dir.to_owned(), run, files, next })
    }

    /// Returns the files there are.
    pub(crate) fn files(&self) -> impl Iterator<Item = ChunkFile> {
        self.files.iter().map(|(number, bytes)| ChunkFile { file: BlockFile::Shelf(*number), bytes: *bytes })
    }

    /// Begins another file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn begin(&mut self) -> Result<ShelfWriter, LogError> {
        let number = self.next;
        self.next = number.saturating_add(1);
        ShelfWriter::create(Arc::clone(&self.disk), &self.dir, self.run, number)
    }

    /// Takes finished files that a named snapshot now needs.
    pub(crate) fn add(&mut self, files: &[ChunkFile]) {
        self.files.extend(files.iter().map(|file| (file.file.number(), file.bytes)));
    }

    /// Removes finished files that no snapshot will name.
    ///
    /// # Errors
    /// When one cannot be removed; then the next start does it.
    pub(crate) fn abandon(&self, files: &[ChunkFile]) -> Result<(), LogError> {
        files.iter().try_for_each(|file| self.remove(file.file))
    }

    /// Removes the files that are not in `keep`.
    ///
    /// # Errors
    /// When one cannot be removed; those removed so far are gone, and nothing is lost.
    pub(crate) fn retire(&mut self, keep: &BTreeSet<BlockFile>, reader: &LogReader) -> Result<(), LogError> {
        let gone: Vec<_> = self.files().map(|file| file.file).filter(|file| !keep.contains(file)).collect();
        for file in gone {
            self.remove(file)?;
            reader.close(file);
            self.files.remove(&file.number());
        }
        Ok(())
    }

    /// Without a sync of the folder: a file that comes again with a power loss is removed by the next start.
    fn remove(&self, file: BlockFile) -> Result<(), LogError> {
        let path = file.path(&self.dir);
        self.disk.remove(&path).map_err(|source| LogError::from_io(&path, "remove", source))
    }
}

/// Makes sure that the files in which chunks stand are there, as long as they must be; reads no more than their headers.
///
/// # Errors
/// When one is gone, shorter, or not what it should be.
pub(crate) fn check_files(
    disk: &dyn Disk,
    dir: &Path,
    run: RunId,
    places: &[(u64, Place)],
) -> Result<(), LogError> {
    let mut ends: BTreeMap<BlockFile, u64> = BTreeMap::new();
    for (_, place) in places {
        let end = ends.entry(place.file).or_default();
        *end = place.end().max(*end);
    }
    for (file, expected) in ends {
        let path = file.path(dir);
        let mut pieces = match Pieces::open(disk, path.clone()) {
            Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(LogError::Missing { path });
            }
            pieces => pieces?,
        };
        if let Err(what) = pieces.header(file.kind(), run, file.number().into())? {
            return Err(LogError::damaged(&path, 0, what));
        }
        if pieces.len() < expected {
            return Err(LogError::Shorter { path, expected, found: pieces.len() });
        }
    }
    Ok(())
}
