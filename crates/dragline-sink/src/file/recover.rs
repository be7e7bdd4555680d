//! Decides where a life of a sink begins: with nothing, or where a mark says, as if nothing behind it had been written.

use std::path::{Path, PathBuf};

use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_disk::Open;

use super::compress::plain_len;
use super::life::Life;
use super::names::Owner;
use super::open_file::OpenFile;
use super::position::{OpenAt, Position, SealedAt};
use super::publish::Sealed;
use super::shape::Shape;
use crate::error::SinkError;

impl Life {
    /// Begins a run: the empty file of fixed name, or nothing.
    pub(super) fn begin(shape: &Shape, run: RunId) -> Result<Self, SinkError> {
        let (names, shelf) = (&shape.names, &shape.shelf);
        shelf.create_dir(names.dir())?;
        let mut life = Self::new(run, u64::from(names.is_numbered()));
        if names.is_numbered() {
            let files = shelf.list(names.dir())?;
            if let Some(path) = files.iter().find(|path| names.owner(path) == Some(Owner::Sink)) {
                return Err(SinkError::InTheWay { path: path.clone() });
            }
            remove_unfinished(shape, run, &files, &[])?;
            return Ok(life);
        }
        let path = names.path();
        let file = match shelf.create_if_absent(path)? {
            Some(file) => file,
            None => empty(shape, path)?,
        };
        let mut open = OpenFile::new(path.to_owned(), file, OpenAt::empty(0));
        open.sync()?;
        shelf.sync_dir(names.dir())?;
        life.open = Some(open);
        Ok(life)
    }

    /// Takes up a run where its mark says. Everything is looked at before anything is changed.
    pub(super) fn rewind(shape: &Shape, run: RunId, mark: &Mark) -> Result<Self, SinkError> {
        let position = Position::read(&mark.position).filter(|position| position.path == shape.path_text());
        let position = position.ok_or_else(|| SinkError::ForeignMark {
            path: shape.names.path().to_owned(),
            mark: mark.position.as_ref().into(),
        })?;
        check_form(shape, &position)?;
        let mut life = Self::new(run, position.next);
        (life.rows, life.dropped) = (position.rows, position.dropped);
        let mut kept = Vec::new();
        let mut longer = Vec::new();
        for at in position.sealed {
            let open = shape.names.open(at.number, run);
            life.sealed.push(find_sealed(shape, &open, at, &mut longer)?);
            kept.push(open);
        }
        if let Some(at) = position.open {
            let path = shape.names.open(at.number, run);
            kept.push(path.clone());
            life.open = Some(find(shape, path, at)?);
        }
        for file in life.open.iter_mut().chain(&mut longer) {
            file.cut_back()?;
            file.sync()?;
        }
        if shape.names.is_numbered() {
            shape.shelf.create_dir(shape.names.dir())?;
            let files = shape.shelf.list(shape.names.dir())?;
            remove_unfinished(shape, run, &files, &kept)?;
        }
        life.publish(shape, Epoch(0))?;
        Ok(life)
    }
}

/// Replaces a file of fixed name that a start which was cut short has left empty.
fn empty(shape: &Shape, path: &Path) -> Result<Box<dyn dragline_disk::DiskFile>, SinkError> {
    let file = shape.shelf.open_if_there(path, Open::Append)?;
    let in_the_way = || SinkError::InTheWay { path: path.to_owned() };
    let file = file.ok_or_else(in_the_way)?;
    if !file.is_empty().map_err(|error| SinkError::from_io(path, "read", error))? {
        return Err(in_the_way());
    }
    drop(file);
    // Made anew: its name may be one whose sync failed, and a later sync that succeeds would prove nothing.
    shape.shelf.remove_if_there(path)?;
    shape.shelf.create(path)
}

fn check_form(shape: &Shape, position: &Position) -> Result<(), SinkError> {
    let form = |numbered: bool, header: &str| {
        let files = if numbered { "numbered files" } else { "one file" };
        match header {
            "" => format!("{files} of JSON lines"),
            header => format!("{files} of CSV ({header})"),
        }
    };
    let was = form(position.numbered, &position.header);
    let now = form(shape.names.is_numbered(), &shape.header_text());
    if was == now {
        Ok(())
    } else {
        Err(SinkError::Changed { path: shape.names.path().to_owned(), was, now })
    }
}

/// Opens a file that the mark names and that holds at least what it says.
fn find(shape: &Shape, path: PathBuf, at: OpenAt) -> Result<OpenFile, SinkError> {
    let Some(file) = shape.shelf.open_if_there(&path, Open::Append)? else {
        return Err(SinkError::Missing { path, expected: at.bytes });
    };
    let found = file.len().map_err(|error| SinkError::from_io(&path, "read", error))?;
    if found < at.bytes {
        return Err(SinkError::Shorter { path, expected: at.bytes, found });
    }
    Ok(OpenFile::new(path, file, at))
}

/// Finds a sealed file under its final name, or as it was when it was sealed; adds it to `longer` when it is to be cut.
fn find_sealed(
    shape: &Shape,
    open: &Path,
    at: SealedAt,
    longer: &mut Vec<OpenFile>,
) -> Result<Sealed, SinkError> {
    let SealedAt { number, compress, bytes, rows } = at;
    let finished = shape.names.finished(number, compress);
    let found = match compress {
        None => shape.shelf.len_if_there(&finished)?,
        Some(how) => plain_len(&shape.shelf, how, &finished)?,
    };
    let is_open = shape.shelf.len_if_there(open)?.is_some();
    match found {
        // Both are there when a kill came before the plain one was removed; else the finished one is not ours.
        Some(found) if is_open && found != bytes => Err(SinkError::InTheWay { path: finished }),
        Some(found) if found < bytes => Err(SinkError::Shorter { path: finished, expected: bytes, found }),
        Some(_) => Ok(Sealed::found(at, true)),
        None if is_open => {
            longer.push(find(shape, open.to_owned(), OpenAt { bytes, rows, ..OpenAt::empty(number) })?);
            Ok(Sealed::found(at, false))
        }
        None => Err(SinkError::Missing { path: finished, expected: bytes }),
    }
}

/// Removes what this run has not finished and no mark names.
fn remove_unfinished(
    shape: &Shape,
    run: RunId,
    files: &[PathBuf],
    kept: &[PathBuf],
) -> Result<(), SinkError> {
    let mut removed = false;
    for path in files.iter().filter(|path| shape.names.owner(path) == Some(Owner::Run(run))) {
        if !kept.contains(path) {
            removed |= shape.shelf.remove_if_there(path)?;
        }
    }
    if removed { shape.shelf.sync_dir(shape.names.dir()) } else { Ok(()) }
}
