//! Texts as they are published, read by one who takes what is right and is told of the rest.

use portcullis::{CidrSet, cidr::CidrProblem};

use super::data::{BOGONS, MAPPED_ALL, TABLES, prefixes, text};

#[test]
fn only_one_line_of_all_lists_is_skipped() {
    for name in TABLES {
        let (set, skipped) = CidrSet::from_text_lenient(&text(name));
        assert_eq!(set, prefixes(name).into_iter().collect(), "{name}");
        let lines: Vec<_> = skipped.lines().iter().map(|l| (l.kind(), l.snippet())).collect();
        if name == BOGONS {
            assert_eq!(lines, [(&CidrProblem::MappedAll, MAPPED_ALL)]);
        } else {
            assert!(lines.is_empty(), "{name}: {lines:?}");
        }
    }
}
