//! Where a report goes.

use std::{
    fs,
    io::{self, ErrorKind, Write},
};

use super::{
    options::{Mistake, Options},
    source::Source,
};

/// Looks whether an output would overwrite what is read, by whatever name.
///
/// # Errors
/// Which one.
pub fn spares_inputs(options: &Options) -> Result<(), Mistake> {
    let logs = options.logs.iter().filter_map(|log| match log {
        Source::File(path) => Some(path),
        Source::Stdin => None,
    });
    let inputs: Vec<_> = [&options.config]
        .into_iter()
        .chain(&options.against)
        .chain(logs)
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    for output in [&options.markdown, &options.svg].into_iter().flatten() {
        // What is not there yet overwrites nothing.
        if fs::canonicalize(output).is_ok_and(|output| inputs.contains(&output)) {
            return Err(Mistake::Overwrites(output.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}

/// Writes a text to whoever reads. He may have gone away, as `head` does: that is no mistake.
///
/// # Errors
/// When it cannot be written, as to a disk that is full.
pub fn say(text: &str, to: &mut impl Write) -> io::Result<()> {
    let said = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    said.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{self, ErrorKind, Write},
    };

    use super::{say, spares_inputs};
    use crate::replay::options::{Asked, read};

    #[test]
    fn what_is_read_is_not_overwritten() {
        let folder = std::env::temp_dir().join(format!("portcullis-output-{}", std::process::id()));
        fs::create_dir_all(folder.join("in")).unwrap();
        for name in ["gate.toml", "other.toml", "a.log", "old.md"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = |outputs: [&str; 2]| {
            let path = |name: &str| folder.join(name).into_os_string();
            let [markdown, svg] = outputs.map(path);
            let line = [
                path("gate.toml"),
                "-".into(),
                path("a.log"),
                "--against".into(),
                path("other.toml"),
                "--markdown".into(),
                markdown,
                "--svg".into(),
                svg,
            ];
            let Ok(Asked::Play(options)) = read(line) else { panic!("a command line") };
            spares_inputs(&options).map_err(|mistake| mistake.to_string())
        };
        let told = ["gate.toml", "other.toml", "in/../a.log"].map(|name| {
            let mistake = found(["old.md", name]).unwrap_err();
            assert_eq!(found([name, "new.svg"]), Err(mistake.clone()));
            mistake.ends_with(&format!("{name} is read, and would be overwritten"))
        });
        let fine = found(["old.md", "new.svg"]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((told, fine), ([true; 3], Ok(())));
    }

    #[test]
    fn a_reader_may_go_away_and_a_disk_may_not_be_full() {
        struct Fails(ErrorKind);
        impl Write for Fails {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Vec::new();
        say("text", &mut out).unwrap();
        assert_eq!(out, b"text");
        say("text", &mut Fails(ErrorKind::BrokenPipe)).unwrap();
        let error = say("text", &mut Fails(ErrorKind::StorageFull)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
