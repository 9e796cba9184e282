"""What tests run of the library, from the export of llvm-cov as JSON: a table of modules, and what is not run.

    coverage.py EXPORT.json [--missed] [--floor LINES,REGIONS,BRANCHES]
    coverage.py --only-tests          the files that are only built for tests, a line each

Code that is only built for tests, models and comparisons is not counted: what stands below an attribute `cfg` that names
one of them, here and in the files of modules that are declared so. The source is read as rustfmt leaves it: an item
ends at the first line that begins with its closing bracket in its own column.

A function that is generic has been run where any of its kinds has, and one that is built for two programs where either
has been run.
"""
import argparse, collections, json, os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SRC = os.path.join(ROOT, "src")
MODULE = re.compile(r"^\s*(?:pub(?:\([a-z ]+\))? )?mod (\w+)(;| \{)")


def is_for_tests(attribute):
    inner = re.match(r"#!?\[cfg\((.*)\)\]", attribute)
    return bool(inner) and only_true_for_tests(inner.group(1))


def parts(text):
    depth, start, found = 0, 0, []
    for at, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            found.append(text[start:at])
            start = at + 1
    return [part.strip() for part in found + [text[start:]] if part.strip()]


def only_true_for_tests(text):
    text = text.strip()
    if text in ("test", "loom", "fuzzing", "doctest", 'feature = "__reference"'):
        return True
    if text.startswith("all("):
        return any(map(only_true_for_tests, parts(text[4:-1])))
    if text.startswith("any("):
        return all(map(only_true_for_tests, parts(text[4:-1])))
    return False


def attribute_at(lines, at):
    """The attribute that begins on this line, in one piece, and the line after it."""
    text = lines[at].strip()
    while text.count("[") > text.count("]") and at + 1 < len(lines):
        at += 1
        text += " " + lines[at].strip()
    return re.sub(r"\(\s+", "(", re.sub(r",?\s+\)", ")", text)), at + 1


def end_of_item(lines, at):
    """The line after the item that begins here."""
    indent = re.match(r"\s*", lines[at]).group()
    first = lines[at].rstrip()
    if first.endswith((";", ",")) or (first.endswith("}") and first.count("{") == first.count("}")):
        return at + 1
    for after in range(at + 1, len(lines)):
        line = lines[after].rstrip()
        if line.startswith(indent) and line[len(indent):len(indent) + 1] in ("}", ")", "]") and line.endswith(("}", ";", ",", ")")):
            return after + 1
    return len(lines)


def file_of_module(parent, name):
    folder, base = os.path.split(parent)
    if base not in ("mod.rs", "lib.rs"):
        folder = os.path.join(folder, base[:-3])
    for path in (os.path.join(folder, name + ".rs"), os.path.join(folder, name, "mod.rs")):
        if os.path.exists(path):
            return path
    return None


def only_tests():
    """Of each file of the library the lines, from 1, that are only built for tests; None stands for all of them."""
    found, todo = {}, [(os.path.join(SRC, "lib.rs"), False)]
    while todo:
        path, whole = todo.pop()
        lines = open(path, encoding="utf-8").read().split("\n")
        ranges, at, hidden_until, marked = [], 0, 0, False
        while at < len(lines):
            line = lines[at].strip()
            if line.startswith(("#[", "#![")):
                attribute, after = attribute_at(lines, at)
                if is_for_tests(attribute):
                    if attribute.startswith("#!"):
                        whole = True
                    elif at >= hidden_until:
                        marked = True
                at = after
                continue
            if not line or line.startswith("//"):
                at += 1
                continue
            module = MODULE.match(lines[at])
            if marked:
                hidden_until = end_of_item(lines, at)
                ranges.append((at + 1, hidden_until))
            if module and module.group(2) == ";":
                child = file_of_module(path, module.group(1))
                if child:
                    todo.append((child, whole or marked))
            marked = False
            at += 1
        found[path] = None if whole else ranges
    return found


def lines_of(segments):
    """Whether each line that has code was run, the way llvm-cov counts lines."""
    run, wrapped, at = {}, None, 0
    if not segments:
        return run
    for line in range(segments[0][0], segments[-1][0] + 1):
        here = []
        while at < len(segments) and segments[at][0] == line:
            here.append(segments[at])
            at += 1
        entries = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        if not skipped and ((wrapped and wrapped[3]) or entries):
            count = wrapped[2] if wrapped and wrapped[3] else 0
            run[line] = max([count] + [s[2] for s in entries]) > 0
        if here:
            wrapped = here[-1]
    return run


def read(export):
    data = json.load(open(export, encoding="utf-8"))["data"][0]
    lines = {f["filename"]: lines_of(f["segments"]) for f in data["files"]}
    regions, branches = collections.Counter(), collections.Counter()
    for function in data["functions"]:
        names = function["filenames"]
        for r in function["regions"]:
            if r[7] == 0:
                regions[(names[r[5]], *r[:4])] += r[4]
        for b in function.get("branches", []):
            for taken, count in ((True, b[4]), (False, b[5])):
                branches[(names[b[6]], *b[:4], taken)] += count
    return lines, regions, branches


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export", nargs="?")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--floor")
    parser.add_argument("--only-tests", action="store_true")
    options = parser.parse_args()
    hidden = only_tests()
    if options.only_tests:
        for path in sorted(hidden):
            if hidden[path] is None:
                print(os.path.relpath(path, ROOT))
        return

    def counts(path, line):
        return path in hidden and hidden[path] is not None and not any(a <= line <= b for a, b in hidden[path])

    def module(path):
        name = os.path.relpath(path, SRC)
        if options.files:
            return name
        return name.split(os.sep)[0].removesuffix(".rs") if name.count(os.sep) < 2 else "/".join(name.split(os.sep)[:2])

    lines, regions, branches = read(options.export)
    table = collections.defaultdict(lambda: [0] * 6)
    missed = []
    for path, run in lines.items():
        for line, was in run.items():
            if counts(path, line):
                row = table[module(path)]
                row[0] += was
                row[1] += 1
    for column, found in ((2, regions), (4, branches)):
        for key, count in found.items():
            if counts(key[0], key[1]):
                row = table[module(key[0])]
                row[column] += count > 0
                row[column + 1] += 1
                if count == 0:
                    missed.append(key)

    total = [sum(row[i] for row in table.values()) for i in range(6)]
    percent = lambda part, whole: 100.0 * part / whole if whole else 100.0
    print("| module | lines | run | regions | run | branches | taken |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, row in [*sorted(table.items()), ("**all**", total)]:
        cells = [f"{row[i + 1]} | {percent(row[i], row[i + 1]):.1f} %" for i in (0, 2, 4)]
        print(f"| {name} | " + " | ".join(cells) + " |")

    if options.missed:
        sources = {}
        for key in sorted(missed, key=lambda k: (k[0], k[1:5], len(k))):
            path, a, b, c, d = key[:5]
            if path not in sources:
                sources[path] = open(path, encoding="utf-8").read().split("\n")
                print(f"\n{os.path.relpath(path, ROOT)}")
            text = sources[path][a - 1]
            text = text[b - 1:d - 1] if a == c else text[b - 1:].strip() + f" .. {c}"
            kind = "        " if len(key) == 5 else f"never {'true' if key[5] else 'false'}:"
            print(f"  {a}:{b} {kind} {text}")

    if options.floor:
        wanted = [float(part) for part in options.floor.split(",")]
        got = [percent(total[i], total[i + 1]) for i in (0, 2, 4)]
        short = [f"{name}: {g:.2f} %, of {w} % at least" for name, g, w in zip(("lines", "regions", "branches"), got, wanted) if g < w]
        if short:
            sys.exit("less is run by tests than was: " + "; ".join(short))


main()
