//! A line split as a POSIX shell does: what browsers copy, and what people keep in their notes.
//!
//! Quotes of three kinds (`'…'`, `"…"`, and `$'…'`, which browsers write when there is a quote or a line
//! break within), backslashes, and lines that go on. What a shell would replace or run (`$name`, `` `…` ``,
//! `|`, `;`, `>`) is refused and not guessed; so is what Windows' command line has instead.

/// The words of a line.
///
/// # Errors
/// When a quote is not closed, or the line asks the shell for more than words.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    if line.contains("^\"") || line.contains("^\n") || line.contains("^\r") {
        return Err("this is a line for Windows' cmd; copy it as cURL for bash instead".to_owned());
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                // The line goes on.
                Some('\n') => {}
                Some('\r') if rest.next_if_eq(&'\n').is_some() => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends with a backslash".to_owned()),
            },
            _ if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => plain_quote(&mut rest, word.get_or_insert_default())?,
            '"' => double_quote(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => {
                let text = ansi_quote(&mut rest)?;
                word.get_or_insert_default().push_str(&text);
            }
            '$' | '`' => {
                return Err(format!("only a shell knows what {c} stands for; write it out"));
            }
            '|' | ';' | '&' | '<' | '>' | '(' | ')' => {
                return Err(format!(
                    "{c} is for a shell and not for curl; quote it, or leave it away"
                ));
            }
            '#' if word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn plain_quote(rest: &mut Rest<'_>, word: &mut String) -> Result<(), String> {
    for c in rest {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err("a ' is not closed".to_owned())
}

fn double_quote(rest: &mut Rest<'_>, word: &mut String) -> Result<(), String> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match rest.next() {
                Some('\n') => {}
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            '$' | '`' => {
                return Err(format!("only a shell knows what {c} stands for; write it out"));
            }
            _ => word.push(c),
        }
    }
    Err("a \" is not closed".to_owned())
}

/// `$'…'`, where escapes can also be bytes.
fn ansi_quote(rest: &mut Rest<'_>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let push = |bytes: &mut Vec<u8>, c: char| {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    };
    while let Some(c) = rest.next() {
        match c {
            '\'' => return String::from_utf8(bytes).map_err(|_| "a $'…' is no text".to_owned()),
            '\\' => match rest.next() {
                Some('n') => push(&mut bytes, '\n'),
                Some('r') => push(&mut bytes, '\r'),
                Some('t') => push(&mut bytes, '\t'),
                Some('0') => push(&mut bytes, '\0'),
                Some('u') => {
                    let code = hex(rest, 4).and_then(char::from_u32);
                    push(
                        &mut bytes,
                        code.ok_or_else(|| "a \\u in $'…' is no character".to_owned())?,
                    );
                }
                Some('x') => {
                    let byte = hex(rest, 2).and_then(|code| u8::try_from(code).ok());
                    let byte = byte.ok_or_else(|| "a \\x in $'…' is no byte".to_owned())?;
                    bytes.push(byte);
                }
                Some(c) => push(&mut bytes, c),
                None => break,
            },
            _ => push(&mut bytes, c),
        }
    }
    Err("a $' is not closed".to_owned())
}

/// Up to so many digits, and at least one.
fn hex(rest: &mut Rest<'_>, most: usize) -> Option<u32> {
    let mut digits = String::new();
    while digits.len() < most {
        match rest.next_if(char::is_ascii_hexdigit) {
            Some(digit) => digits.push(digit),
            None => break,
        }
    }
    u32::from_str_radix(&digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, words) in [
            ("", &[][..]),
            ("  \n\t ", &[]),
            ("a b", &["a", "b"]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("'' \"\"", &["", ""]),
            ("a'b'\"c\"d", &["abcd"]),
            (r#"'a"b' "c'd""#, &["a\"b", "c'd"]),
            (r#""a\"b\\c\d""#, &[r#"a"b\c\d"#]),
            (r"a\ b \'c", &["a b", "'c"]),
            ("curl 'x' \\\n  -H 'a: b' \\\r\n -k", &["curl", "x", "-H", "a: b", "-k"]),
            (r"$'it\'s \u0021 \x41\xc3\xa4\n'", &["it's ! A\u{e4}\n"]),
            ("a # b", &["a"]),
            ("a#b http://h/#c", &["a#b", "http://h/#c"]),
            ("\"über\" 'straße'", &["über", "straße"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_is_no_list_of_words_is_told() {
        for (line, told) in [
            ("'a", "' is not closed"),
            ("\"a", "\" is not closed"),
            ("$'a", "$' is not closed"),
            ("a\\", "ends with a backslash"),
            ("\"a\\", "\" is not closed"),
            ("curl $URL", "only a shell knows what $"),
            ("\"`id`\"", "only a shell knows what `"),
            ("curl x | sh", "| is for a shell"),
            ("curl x > y", "> is for a shell"),
            ("curl http://h/?a=1&b=2", "& is for a shell"),
            (r"$'\xff'", "no text"),
            (r"$'\ud800'", "no character"),
            (r"$'\xg'", "no byte"),
            ("curl ^\"http://h/^\"", "Windows"),
        ] {
            let error = split(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
