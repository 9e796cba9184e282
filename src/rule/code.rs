//! The kinds of mistakes and doubts, each with a number that stays and an explanation.
//!
//! # Invariants
//! - **I1** numbers are unique, and a number is never given to another kind later;
//! - **I2** the hundreds say the group: 00 grammar, 01 names, 02 lists and limits, 03 types, 04 bounds,
//!   05 configuration, 06 lints; only the last group is warnings.

use core::fmt;

use super::diagnostic::Severity;

macro_rules! codes {
    ($($name:ident $number:literal $title:literal $explanation:literal;)*) => {
        /// What kind of mistake, or doubt, a [`Diagnostic`](super::Diagnostic) is about.
        ///
        /// Numbers stay what they are: a tool can look for them. The hundreds are the group: P00
        /// grammar, P01 names, P02 lists and limits, P03 types, P04 bounds, P05 configuration, P06 lints
        /// (warnings). Each is explained at its variant, and by [`explain`](Code::explain).
        ///
        /// | Number | Variant | What it is |
        /// |---|---|---|
        $(#[doc = concat!("| ", $number, " | [`", stringify!($name), "`](Code::", stringify!($name), ") | ", $title, " |")])*
        ///
        /// # Example: telling a user more
        /// ```
        /// use portcullis::rule::{Code, Severity};
        ///
        /// let code = Code::UnknownField;
        /// assert_eq!(code.as_str(), "P0102");
        /// assert_eq!(code.to_string(), "P0102");
        /// assert_eq!(code.title(), "There is no field of this name.");
        /// assert!(code.explain().contains("alias"));
        /// assert_eq!(code.severity(), Severity::Error);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(
                #[doc = $title]
                #[doc = ""]
                #[doc = concat!($number, ". ", $explanation)]
                $name,
            )*
        }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number: `"P0102"`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// What it is, in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// What it means, an example, and how to mend it: a paragraph of Markdown.
            #[must_use]
            pub const fn explain(self) -> &'static str {
                match self {
                    $(Self::$name => $explanation,)*
                }
            }
        }
    };
}

codes! {
    Syntax "P0001" "The text does not follow the grammar."
        "A word or a sign stands where none can stand, or one is missing. A condition is a comparison \
         such as `path eq \"/login\"`, a Bool that stands alone such as `ssl`, or several of them joined \
         by `and`, `or`, `xor` and `not` with parentheses. `path eq` lacks what to compare with; \
         `path = \"/\"` needs `==` or `eq`; `(a and b` lacks its closing parenthesis. Look at what the \
         caret shows and at the word before it.";
    Literal "P0002" "A text, a number or an address is not written as it should be."
        "Texts are in double quotes with the escapes `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` and `\\xHH`, or raw: \
         `r\"…\"`, `r#\"…\"#`. Numbers are whole, without leading zeros, and fit 64 bits. Addresses and \
         networks are strict: `10.0.0.1/8` has bits set beyond its 8, and either `10.0.0.0/8` or \
         `10.0.0.1` was meant; `192.0.2.01` could be octal, and is refused.";
    UnknownOperator "P0101" "There is no operator of this name."
        "Operators are `eq ne lt le gt ge` (or `== != < <= > >=`), `contains`, `starts_with`, `ends_with`, \
         `wildcard`, `strict wildcard`, `matches` (or `~`), `in` and `&`. `path startswith \"/a\"` means \
         `path starts_with \"/a\"`.";
    UnknownField "P0102" "There is no field of this name."
        "Fields have the names that Cloudflare's rules have, and short aliases: `http.request.uri.path` \
         is also `path`. A field of the service's own, such as `tenant`, has to be declared: \
         `Scheme::field(\"tenant\", Type::Bytes)`, or under `[fields]` in a configuration. What looks \
         alike is suggested.";
    UnknownFunction "P0103" "There is no function of this name."
        "Functions are `lower`, `upper`, `len`, `url_decode`, `substring`, `cidr`, `cidr6`, `exists`, \
         `starts_with`, `ends_with`, `sample` and `counter`; `any` and `all` judge the elements of arrays. \
         `lowercase(host)` means `lower(host)`.";
    UnknownLimit "P0201" "There is no limit of this name."
        "`counter(\"name\")` asks how much of a limit is in use, and a limit of this name has to be there: \
         in a configuration, a `[[limit]]` with `name = \"name\"`.";
    UnknownList "P0207" "There is no list of this name."
        "`$office` is a list that is declared elsewhere: under `[lists]` in a configuration, or with \
         `Scheme::list(\"office\", Type::Ip)` and `Lists::set`. A list may be empty at first and filled \
         later, but its name has to be known when rules are read, so that a slip of the pen can not \
         become a rule that never holds.";
    ListEntry "P0208" "An entry of a list is not what the list holds."
        "Lists hold values of one type: addresses, texts or numbers. `[\"192.0.2.0/24\", \"office\"]` mixes \
         two of them, and `\"192.0.2.1/24\"` has host bits set: `192.0.2.0/24` or `192.0.2.1` was meant.";
    Type "P0301" "A value is of another type than its place needs."
        "Values are Bool, Int, Bytes, Ip, arrays or maps, and there is no conversion: `path eq 5` compares \
         Bytes with a number, `ip.src lt 10.0.0.1` orders addresses, `ip.src eq \"10.0.0.1\"` has quotes \
         that do not belong there. A Bool stands alone, `ssl`, or is compared with \
         `true` or `false`. An array is asked by \
         element: `headers[\"x\"][0]`, or `any(headers[\"x\"][*] contains \"y\")`.";
    Arguments "P0302" "A function is given too few, too many or unfit arguments."
        "`substring(path, 0, 4)` takes a value and one or two numbers, `cidr(ip.src, 24, 64)` an address \
         and how many leading bits stay (0 to 32, 0 to 128), `url_decode(query, \"r\")` a value and the \
         options `r` (until nothing changes) and `u` (`%uXXXX` too), `sample(0.1)` a share from 0 to 1.";
    Each "P0303" "`[*]`, `any` and `all` do not belong together here."
        "`headers[\"x\"][*]` stands for each element of an array, so somebody has to say whether one of \
         them is enough: `any(headers[\"x\"][*] contains \"y\")`, or `all(…)`. Inside of `any` and `all` \
         there is exactly one comparison with exactly one `[*]`; join several outside: \
         `any(…) or any(…)`.";
    Phase "P0304" "The field has no value in this phase."
        "`http.response.code` and other fields of the response are known only once the request was \
         answered: in `count_if` and `cost` of a limit, not in `when` of a rule. To refuse clients that \
         collect errors, count them: a limit with `count_if = 'status in {401 403}'`.";
    Regex "P0305" "This is not a regular expression."
        "Patterns have the syntax of the Rust regex crate, over bytes: no look-around and no back \
         references, so that every search takes time in proportion to the text. A pattern is easiest to \
         write as a raw text, where backslashes are not doubled: `path matches r\"\\.php$\"`. A star or a \
         parenthesis that is meant as itself is escaped: `\\*`, `\\(`.";
    Wildcard "P0306" "This is not a wildcard pattern."
        "`*` stands for any bytes, slashes too; so `**` says no more than `*`, and is refused as what is \
         more often a mistake. There are at most 8 stars in a pattern. A star that is meant as itself is \
         `\\*`, and a backslash `\\\\`.";
    TooLong "P0401" "The text is longer than texts may be."
        "An expression has at most 16 KiB. A long set of addresses, paths or words belongs into a list, \
         `ip.src in $office`, which can have millions of entries and is replaced without compiling.";
    TooDeep "P0402" "Parentheses, `not` and functions are nested too deeply."
        "At most 64 levels. A chain of `and` or of `or` is one level, however long; so it is enough to \
         leave parentheses away where they change nothing: `a or b or c` for `a or (b or (c))`.";
    TooManyTests "P0403" "There are more tests in the expression than there may be."
        "A rule has at most 4,096 comparisons. Alternatives of one field are one comparison as a set, \
         `path in {\"/a\" \"/b\"}`, or as a list, `path in $paths`.";
    RegexTooLarge "P0404" "A regular expression is too large once it is compiled."
        "One pattern may take 256 KiB. Repetitions multiply: `(\\d{1,1000}){1,1000}` is a million states. \
         Write smaller bounds, or `+` and `*`, which are cheap.";
    RegexesTooLarge "P0405" "All regular expressions together are too large."
        "The patterns of all rules together may take 16 MiB. Patterns that are alike are compiled once. \
         Most patterns that only look for words are better as `contains`, `starts_with`, `wildcard` or \
         `in`, which all rules share in one index.";
    TooManyRules "P0406" "There are more rules than there may be."
        "Rules that differ only in a value are one rule with a list: `ip.src in $blocked` for one rule for \
         each address.";
    TooManyTags "P0407" "There are more tags than there may be."
        "Rules can set at most 64 different tags. Several rules can set the same one, and \
         `score` adds up what does not need a name.";
    TooManyLiterals "P0408" "All that is looked for anywhere in texts is together too much."
        "`contains`, and the words that wildcards and regular expressions need, are looked for together, \
         and what finds them has a size. Whole values are better as a list, `path in $paths`, which can \
         have millions of entries.";
    Format "P0501" "The text of the configuration is not well formed."
        "The text is not TOML: a quote or a bracket is missing, or a key is there twice. Expressions are \
         best in single quotes, `when = 'path eq \"/\"'`, where nothing is escaped.";
    UnknownKey "P0502" "There is no setting of this name."
        "A setting that nobody reads is refused, so that a slip of the pen can not leave a service \
         without its limit. What looks alike is suggested, with the place where it belongs.";
    MissingKey "P0503" "A setting is missing."
        "A rule needs `name`, `when` and `then`, a limit `name` and `quota`. Names are what denials, \
         counters and explanations speak of, and what keeps a limit's counters over a reload.";
    WrongType "P0504" "A setting is of another type than it should be."
        "A number where a text should be, or one value where a list should be: `priority = \"5\"` has quotes \
         that do not belong there, and `by = \"client\"` lacks its brackets: `by = [\"client\"]`.";
    BadValue "P0505" "A setting has a value that it can not have."
        "The value is of the right type and outside of what the setting can be: `quota = \"10\"` says no \
         period (`\"10/min\"`), `then = { deny = 200 }` is no error, `mode = \"shadows\"` is not one of \
         `off`, `shadow` and `enforce`.";
    Duplicate "P0506" "Two of a kind have the same name."
        "Rules and limits are told apart by their names: in denials, in counters, and when a new text \
         is loaded over an old one. Two that say the same are one; two that differ deserve two names. The \
         same setting written twice, by its name and by an alias, is one too many as well.";
    UnknownGroup "P0507" "There is no group of this name."
        "A mode is given to a group, or rules of a group are skipped, but no rule and no limit belongs to \
         it. What looks alike is suggested.";
    Conflict "P0508" "Settings contradict each other."
        "A request can not be allowed and denied by the same rule: of `allow`, `deny` and `ban` there is \
         one. Tags, scores, classes and logging go with each of them. What a limit does when a store fails, \
         `fail`, is for limits that have one: `scope = \"fleet\"`.";
    NotAvailable "P0509" "A setting that this version does not offer."
        "The name is known, and what it asks for is not built, or belongs to a feature of the crate that \
         is off. It is an error and not ignored, because a service that believes itself defended, and is \
         not, is worse off than one that knows.";
    Unreachable "P0601" "No request comes as far as this rule."
        "An earlier rule ends whatever this one could hold for: with `allow` for `path starts_with \
         \"/static\"`, a later rule for `path starts_with \"/static\" and method eq \"POST\"` is never \
         asked. Move the narrower rule up (a lower `priority`), or remove it.";
    Constant "P0602" "The condition, or a part of it, is always the same."
        "Such as `x and not x`, `len(path) lt 0`, `lower(host) eq \"ABC\"` (what is in lower case never \
         equals that), `path in {}`. A rule that never holds is often a slip in one value; one that always \
         holds is written `true`, so that readers know that it is meant.";
    LiteralRegex "P0603" "A regular expression that is only a literal."
        "`path matches \"admin\"` looks for a word, and `path contains \"admin\"` says so; `^/a` is \
         `starts_with`, `\\.php$` is `ends_with`, `^/a$` is `eq`. All rules share one index of these, and \
         a dot in them is a dot.";
    UnanchoredHost "P0604" "A regular expression that is found anywhere in a host."
        "`host matches \"shop\\\\.example\"` also holds for `shop.example.attacker.example` and for \
         `myshop.example`. Write where it begins and ends, `^(www\\.)?shop\\.example$`, or \
         `host in {\"shop.example\" \"www.shop.example\"}`, or `host ends_with \".shop.example\"`.";
    EmptyList "P0605" "A list, or a set, with nothing in it."
        "`ip.src in $blocked` never holds while `$blocked` is empty, and `not ip.src in $office` always. A \
         list that the program fills later may well be empty at first. An empty set, `path in {}`, is \
         never filled.";
    NotIndexed "P0606" "No index can find this rule; it is tried for every request."
        "Rules are found by what has to be true of a request: a path, a host, an address, a method, a \
         header. A rule that is only about what must not be, such as `not ip.src in $office`, or about \
         `score` and `tag`, has nothing of that kind, and costs a little time for each request. A few are \
         fine; for a few hundred, add such a condition: `path starts_with \"/admin\" and not ip.src in \
         $office`.";
    DuplicateRule "P0607" "Two rules have the same condition and do the same."
        "The second adds nothing but time, and counts what the first one counted. Remove one of them.";
    ShadowedNet "P0608" "An address or network that another one of the set covers."
        "In `ip.src in {10.0.0.0/8 10.1.0.0/16}` the second network is within the first and changes \
         nothing. Either it is left over, or the wider one is wider than it was meant to be.";
    EveryAddress "P0609" "A rule that refuses every address of a family."
        "`0.0.0.0/0` and `::/0` hold for every client. What was meant is perhaps `not ip.src in $office`, \
         or a longer prefix. To refuse everything, write `true`.";
    RawInAllow "P0610" "A rule allows by a field that is not canonical."
        "`raw.path` is what the client wrote, so a client can write it in many ways: \
         `/static/../admin` begins with `/static`. Allow by `path`, which is what the service will see, \
         and keep `raw.*` for refusing.";
}

impl Code {
    /// How grave it is: lints are warnings, all else is errors.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.as_str().as_bytes() {
            [_, _, b'6', ..] => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Severity};

    /// I1 and I2, and that all are explained.
    #[test]
    fn numbers_are_unique_ascending_and_explained() {
        let numbers: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.as_str()), "the table is in their order");
        for code in Code::ALL {
            let number = code.as_str();
            assert!(number.len() == 5 && number.starts_with("P0"), "{number}");
            assert!(number[1..].bytes().all(|digit| digit.is_ascii_digit()), "{number}");
            assert_eq!(code.severity() == Severity::Warning, number.starts_with("P06"), "{number}");
            assert!(code.title().ends_with('.') && code.title().len() < 80, "{number}");
            assert!((90..700).contains(&code.explain().len()), "{number}");
            assert!(!code.explain().contains("  ") && !code.explain().contains('\n'), "{number}");
        }
    }
}
