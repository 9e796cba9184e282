"""All mutants in one program: each is a choice that is made when the program runs.

cargo-mutants says what the mutants are: a span of a file and the text to put there. It would build the program once for
each. Here every mutant is put into one copy of the sources, behind `crate::mutant(number)`:

    a function      fn f() -> T { if crate::mutant(1) { return Default::default() } ... }
    an expression   (if crate::mutant(2) { a - b } else { a + b })
    an arm          pattern if !crate::mutant(3) && (guard) =>

The compiler says where expressions begin and end (`-Zunpretty=ast-tree`). Only one mutant is alive at a time, so the branch
of a mutant holds its operands as they are written, and the text grows with the depth of what is mutated, not faster. A
mutant that is not alive is never looked at where the program is evaluated by the compiler, so constants are as they were.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass

# Said by the library's own first lines; the rest of the crate calls it.
SWITCH = r"""
#[doc(hidden)]
pub use mutant_switch::mutant;
#[doc(hidden)]
mod mutant_switch {
    extern crate std;
    use std::{io::Write, sync::{LazyLock, Mutex, atomic::{AtomicBool, Ordering}}};
    struct Chosen { one: u32, reached: Option<(Mutex<std::fs::File>, std::vec::Vec<AtomicBool>)> }
    static CHOSEN: LazyLock<Chosen> = LazyLock::new(|| {
        let one = std::env::var("PORTCULLIS_MUTANT").map_or(0, |number| number.parse().unwrap());
        let reached = std::env::var_os("PORTCULLIS_REACHED").map(|path| {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            (Mutex::new(file), (0..COUNT).map(|_| AtomicBool::new(false)).collect())
        });
        Chosen { one, reached }
    });
    #[cold]
    fn reach(number: u32, (file, seen): &(Mutex<std::fs::File>, std::vec::Vec<AtomicBool>)) {
        let seen = &seen[number as usize];
        if !seen.load(Ordering::Relaxed) && !seen.swap(true, Ordering::Relaxed) {
            let _ = file.lock().unwrap().write_all(&number.to_ne_bytes());
        }
    }
    fn when_run(number: u32) -> bool {
        let chosen = &*CHOSEN;
        if let Some(reached) = &chosen.reached {
            reach(number, reached);
        }
        chosen.one == number
    }
    const fn when_compiled(_: u32) -> bool { false }
    #[inline]
    pub const fn mutant(number: u32) -> bool {
        core::intrinsics::const_eval_select((number,), when_compiled, when_run)
    }
}
"""
FEATURES = "#![feature(core_intrinsics, const_eval_select)]\n"
# Properties are tried on fewer cases at first.
FEWER_CASES = """asked.max(cases).min(std::env::var("PORTCULLIS_MUTANT_CASES").map_or(u32::MAX, |most| most.parse().unwrap()))"""
CONSTANT = "a constant"
# What a crate without the standard library's prelude calls otherwise than cargo-mutants does.
NAMES = {"vec!": "::alloc::vec!", "Vec::": "::alloc::vec::Vec::", "Box::": "::alloc::boxed::Box::",
         "String::": "::alloc::string::String::"}
PRELUDE = re.compile(r"(?<![:\w])(?:vec!|Vec::|Box::|String::)")
MARK = re.compile(rb"/\*<(\d+)\*/")


@dataclass
class Mutant:
    file: str
    function: str
    genre: str
    start: int  # Of what is replaced: characters of the file.
    end: int
    replacement: str
    what: str  # In words, without lines: what the table of survivors knows it by.
    is_constant: bool
    number: int = 0

    @property
    def key(self):
        return (self.file, self.function, self.what)


class Source:
    """A file, and the places of its expressions and arms as the compiler sees them."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.expressions, self.arms, self.constants = [], [], set()
        self._read_tree(root)

    def offset(self, line, column):
        return self.lines[int(line) - 1] + int(column) - 1

    def _read_tree(self, root):
        command = ["rustc", "+nightly", "-Zunpretty=ast-tree", "--edition", "2024", "--crate-type", "lib", self.path]
        tree = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        node = re.compile(r"( *)(?:\w+: )?(Expr|Arm|Pat|AnonConst|ConstItem|StaticItem) \{$")
        span = re.compile(r"( *)span: .*?:(\d+):(\d+): (\d+):(\d+) \(#0\),$")
        open_nodes = []  # (kind, indent, the end of an arm's pattern)
        for line in tree.splitlines():
            if found := node.match(line):
                open_nodes.append([found[2], len(found[1]), None])
                continue
            indent = len(line) - len(line.lstrip(" "))
            while open_nodes and open_nodes[-1][1] >= indent:
                open_nodes.pop()
            if not open_nodes or open_nodes[-1][1] + 4 != indent or not (found := span.match(line)):
                continue
            place = (self.offset(found[2], found[3]), self.offset(found[4], found[5]))
            kind, above = open_nodes[-1][0], open_nodes[-2:-1]
            if kind == "Expr":
                self.expressions.append(place)
                if any(kind.endswith(("Const", "Item")) for kind, _, _ in open_nodes):
                    self.constants.add(place)
            elif kind == "Arm":
                self.arms.append((place, open_nodes[-1][2]))
            elif above and above[0][0] == "Arm" and above[0][1] + 4 == open_nodes[-1][1]:
                above[0][2] = place[1]
        self.expressions = sorted(set(self.expressions), key=lambda at: at[1] - at[0])

    def expression_around(self, start, end):
        return next((at for at in self.expressions if at[0] <= start and end <= at[1]), None)

    def guard_of(self, pattern_end):
        """Where the guard of an arm is, if it has one."""
        found = re.compile(r"(?:\s|//.*\n)*if\b\s*").match(self.text, pattern_end)
        return found and next((at for at in reversed(self.expressions) if at[0] == found.end()), None)


def listed(root, globs, excluded):
    """What cargo-mutants would try, with the sources of it."""
    command = ["cargo", "mutants", "--list", "--json", "-p", "portcullis", "--all-features"]
    for glob in globs:
        command += ["-f", glob]
    for glob in excluded:
        command += ["-e", glob]
    text = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    sources, mutants, seen = {}, [], {}
    for one in json.loads(text):
        path, span = one["file"], one["span"]
        source = sources.get(path) or sources.setdefault(path, Source(root, path))
        start, end = (source.offset(at["line"], at["column"]) for at in (span["start"], span["end"]))
        function = (one.get("function") or {}).get("function_name", "-")
        is_constant = source.expression_around(start, end) in source.constants or function == "-"
        mutant = Mutant(path, function, one["genre"], start, end, one["replacement"], "", is_constant)
        mutant.what = in_words(source, mutant, one["name"])
        seen[mutant.key] = seen.get(mutant.key, 0) + 1
        if seen[mutant.key] > 1:
            mutant.what += f" #{seen[mutant.key]}"
        mutants.append(mutant)
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
    return sources, mutants


def in_words(source, mutant, name):
    """cargo-mutants' name of it without line and function; of an operator also the expression that it is in."""
    if mutant.genre == "FnValue":
        return f"replace all of it with {mutant.replacement or 'nothing'}"
    words = re.sub(r"^[^:]*:\d+:\d+: ", "", name)
    words = re.sub(r" in (?:<impl .*>::|)" + re.escape(mutant.function) + "$", "", words)
    if mutant.genre != "MatchArm":
        around = source.expression_around(mutant.start, mutant.end) or (mutant.start, mutant.end)
        text = " ".join(source.text[slice(*around)].split())
        words += f" in `{text if len(text) <= 80 else text[:77] + '...'}`"
    return " ".join(words.split())


class Instrumented:
    """One file with its mutants in it: its own text, and what is written between its characters."""

    def __init__(self, source, mutants):
        self.source, self.between, self.left_out = source, [], []
        expressions = {}
        for mutant in mutants:
            if mutant.genre == "FnValue":
                value = PRELUDE.sub(lambda name: NAMES[name[0]], mutant.replacement)
                self._point(mutant.start, marked(mutant, f"if crate::mutant({mutant.number}) {{ return {value}; }} "))
            elif mutant.genre == "MatchArm":
                self._arm(mutant)
            elif around := source.expression_around(mutant.start, mutant.end):
                expressions.setdefault(around, []).append(mutant)
            else:
                self.left_out.append(mutant)
        for (start, end), there in expressions.items():
            choices = ""
            for mutant in there:
                changed = source.text[start:mutant.start] + mutant.replacement + source.text[mutant.end:end]
                choices += marked(mutant, f"if crate::mutant({mutant.number}) {{ ({changed}) }}") + " else "
            self._around(start, end, f"({choices}{{ (", ") })")

    def _arm(self, mutant):
        text, arms = self.source.text, self.source.arms
        pattern_end = next((pattern for at, pattern in arms if mutant.start <= at[0] and at[1] <= mutant.end
                            and not text[mutant.start:at[0]].strip()), None)
        if pattern_end is None:
            self.left_out.append(mutant)
        elif guard := self.source.guard_of(pattern_end):
            self._around(*guard, marked(mutant, f"!crate::mutant({mutant.number}) && ("), ")", outermost=True)
        else:
            self._point(pattern_end, marked(mutant, f" if !crate::mutant({mutant.number})"))

    # At one place: what ends there is closed, inner before outer; then what stands there; then what begins, outer first.
    def _point(self, at, text):
        self.between.append(((at, 1, 0), text))

    def _around(self, start, end, opening, closing, outermost=False):
        self.between.append(((start, 2, -end - outermost / 2), opening))
        self.between.append(((end, 0, -start + outermost / 2), closing))

    def text(self):
        pieces, at = [], 0
        for (place, _, _), text in sorted(self.between, key=lambda piece: piece[0]):
            pieces += [self.source.text[at:place], text]
            at = place
        return "".join([*pieces, self.source.text[at:]])


def marked(mutant, text):
    return f"/*<{mutant.number}*/{text}/*{mutant.number}>*/"


def copy_tree(root, copy, written_otherwise):
    """The files that git knows or would take; what is as it was keeps its time, so that little is rebuilt."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
    names = {name for name in names if name and os.path.isfile(os.path.join(root, name))}
    for name in names - set(written_otherwise):
        with open(os.path.join(root, name), "rb") as file:
            write(os.path.join(copy, name), file.read())
    for folder, _, files in os.walk(copy):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.relpath(path, copy) not in names:
                os.remove(path)


def write(path, content):
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == content:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


class Program:
    """The library with all mutants in it, and its test programs, in a copy of the tree."""

    def __init__(self, root, place, sources, mutants, features, tests):
        self.root, self.copy, self.sources = root, os.path.join(place, "tree"), sources
        # Mutants that do not compile, and what the compiler says; of what is constant there is nothing to choose.
        self.mutants, self.unviable = mutants, []
        self.leave_out({mutant.key: CONSTANT for mutant in mutants if mutant.is_constant})
        self.options = ["-p", "portcullis", "--no-default-features", "--features", features, "--locked", "--lib"]
        for test in tests:
            self.options += ["--test", test]
        self.environment = os.environ | {
            "CARGO_TARGET_DIR": os.path.abspath(os.path.join(place, "build")),
            "RUSTFLAGS": "--cap-lints allow",
            "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
            "CARGO_PROFILE_DEV_DEBUG": "0",
        }

    def leave_out(self, reasons):
        """Leaves out mutants, each by its key and with the reason."""
        self.unviable += [(mutant, reasons[mutant.key]) for mutant in self.mutants if mutant.key in reasons]
        self.mutants = [mutant for mutant in self.mutants if mutant.key not in reasons]

    def built(self, say):
        """The paths of the test programs, once what does not compile is left out."""
        while True:
            self._write_sources()
            messages = self._cargo("test", "--no-run")
            errors = [one["message"] for one in messages if is_error(one)]
            if not errors:
                return [one["executable"] for one in messages if one["reason"] == "compiler-artifact" and one["executable"]]
            keys = {mutant.number: mutant.key for mutant in self.mutants}
            blamed = {keys[number]: error["message"] for error in errors for number in self._blamed(error)}
            if not blamed:
                raise SystemExit("\n".join(error["rendered"] for error in errors[:5]) + "\nNo mutant is to blame for this.")
            say(f"{len(errors)} errors: {len(blamed)} mutants do not compile")
            self.leave_out(blamed)

    def _write_sources(self):
        written = {}
        for path, source in self.sources.items():
            there = [mutant for mutant in self.mutants if mutant.file == path]
            instrumented = Instrumented(source, there)
            self.leave_out({mutant.key: "no place was found for it" for mutant in instrumented.left_out})
            written[path] = instrumented.text()
        lib, support = "src/lib.rs", "src/test_support.rs"
        with open(os.path.join(self.root, lib), encoding="utf-8") as file:
            text = file.read().replace("#![forbid(unsafe_code)]", FEATURES)
            count = max((mutant.number for mutant in self.mutants), default=0) + 1
            written[lib] = text + SWITCH.replace("COUNT", str(count))
        with open(os.path.join(self.root, support), encoding="utf-8") as file:
            written[support] = file.read().replace("asked.max(cases)", FEWER_CASES)
        self.written = {path: text.encode() for path, text in written.items()}
        copy_tree(self.root, self.copy, self.written)
        for path, content in self.written.items():
            write(os.path.join(self.copy, path), content)

    def _cargo(self, *command):
        command = ["cargo", "+nightly", *command, *self.options, "--message-format", "json"]
        ran = subprocess.run(command, cwd=self.copy, env=self.environment, stdout=subprocess.PIPE, text=True)
        return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]

    def _blamed(self, error):
        """The mutants that an error is about: those that it points at, or else those beside it."""
        spans = error["spans"] + [span for child in error["children"] for span in child["spans"]]
        spans = [span for span in spans if span["file_name"] in self.sources]
        for primary in (True, False):
            found = {self._inside(span) for span in spans if span["is_primary"] == primary} - {None}
            if found:
                return found
        return {number for span in spans if span["is_primary"] for number in self._near(span)}

    def _inside(self, span):
        content = self.written[span["file_name"]]
        regions = ((at.start(), content.find(b"/*%s>*/" % at[1], at.start()), at[1]) for at in MARK.finditer(content))
        around = [(end - start, number) for start, end, number in regions if start <= span["byte_start"] <= end]
        return int(min(around)[1]) if around else None

    def _near(self, span):
        """Those in the lines of a span, or the last one before it."""
        content = self.written[span["file_name"]]
        start = content.rfind(b"\n", 0, span["byte_start"]) + 1
        end = content.find(b"\n", span["byte_end"])
        return map(int, MARK.findall(content[start:end]) or MARK.findall(content[:start])[-1:])


def is_error(message):
    return message["reason"] == "compiler-message" and message["message"]["level"] == "error" and message["message"]["spans"]
