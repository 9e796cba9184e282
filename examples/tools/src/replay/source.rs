//! Where lines come from: files, also gzipped ones, and the standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

/// The first bytes of whatever gzip has made.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// A log to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-`
    Stdin,
    /// A file, compressed or not.
    File(PathBuf),
}

impl Source {
    /// What a report calls it: the file's name, and not where it lies.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::File(path) => file_name(path),
        }
    }

    /// The bytes that are to be read; `None` if nobody knows.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.metadata().ok().filter(|it| it.is_file()).map(|it| it.len()),
        }
    }

    /// Opens it; what is read of it counts.
    ///
    /// # Errors
    /// When it cannot be opened, or its first bytes not be read.
    pub fn open(&self, counted: Arc<AtomicU64>) -> io::Result<Box<dyn Read>> {
        match self {
            Self::Stdin => unpacked(Counted { from: io::stdin().lock(), counted }),
            Self::File(path) => {
                let from = File::open(path)?;
                if from.metadata()?.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                unpacked(Counted { from, counted })
            }
        }
    }
}

/// The last part of a path.
#[must_use]
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What is in there, whether gzip has packed it or not.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn unpacked(mut from: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut first = Vec::new();
    from.by_ref().take(2).read_to_end(&mut first)?;
    let is_packed = first == GZIP;
    let whole = io::Cursor::new(first).chain(from);
    Ok(if is_packed {
        Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, whole)))
    } else {
        Box::new(whole)
    })
}

struct Counted<R> {
    from: R,
    counted: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(room)?;
        self.counted.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};

    use flate2::{Compression, write::GzEncoder};

    use super::unpacked;

    fn read(bytes: Vec<u8>) -> std::io::Result<String> {
        let mut text = String::new();
        unpacked(Cursor::new(bytes))?.read_to_string(&mut text).map(|_| text)
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut into = GzEncoder::new(Vec::new(), Compression::fast());
        into.write_all(text.as_bytes()).unwrap();
        into.finish().unwrap()
    }

    #[test]
    fn what_gzip_has_packed_in_one_or_several_pieces_is_unpacked() {
        let mut both = packed("one\n");
        both.extend(packed("two\n"));
        assert_eq!(read(both).unwrap(), "one\ntwo\n");
        for plain in ["", "a", "ab", "abc"] {
            assert_eq!(read(plain.into()).unwrap(), plain);
        }
    }

    #[test]
    fn a_packed_file_that_breaks_off_is_an_error_after_what_is_there() {
        let whole = packed(&"line\n".repeat(10_000));
        let half = whole[..whole.len() / 2].to_vec();
        assert!(read(half).is_err());
    }
}
