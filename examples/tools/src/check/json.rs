//! The same for programs: editors, CI, scripts. Fields are added in later versions, and not renamed.

use std::io::{self, Write};

use portcullis::{
    gate::{LimitFate, LimitReport, RuleFate, RuleReport, StageOutcome},
    request::Reason,
};
use serde::Serialize;

use super::{
    file::Examined,
    summary::Summary,
    told::{Story, reason},
};

#[derive(Serialize)]
struct Report<'a> {
    files: Vec<FileReport<'a>>,
    diagnostics: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct FileReport<'a> {
    file: &'a str,
    mistakes: usize,
    warnings: usize,
    /// `null` if there are mistakes.
    gate: Option<Summary>,
}

/// Lines and columns count from 1, columns in characters; all are `null` for what concerns a whole file.
#[derive(Serialize)]
struct Finding<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    /// The first byte of what is wrong, and the one behind the last.
    bytes: Option<[usize; 2]>,
    code: Option<&'a str>,
    severity: String,
    message: &'a str,
    place: Option<&'a str>,
    help: Option<&'a str>,
}

/// What was found in all files.
pub(super) fn files(files: &[Examined], out: &mut dyn Write) -> io::Result<()> {
    let diagnostics = files.iter().flat_map(findings).collect();
    let files = files.iter().map(|file| FileReport {
        file: &file.name,
        mistakes: file.mistakes(),
        warnings: file.warnings(),
        gate: file.gate.as_ref().map(|gate| Summary::new(gate, &file.config)),
    });
    document(&Report { files: files.collect(), diagnostics }, out)
}

fn findings(file: &Examined) -> Vec<Finding<'_>> {
    let unreadable = file.unreadable.iter().map(|why| Finding {
        file: &file.name,
        line: why.at.map(|(line, _)| line),
        column: why.at.map(|(_, column)| column),
        bytes: None,
        code: None,
        severity: "error".to_owned(),
        message: &why.message,
        place: None,
        help: None,
    });
    let found = file.each().map(|it| Finding {
        file: &file.name,
        line: it.line(),
        column: it.column(),
        bytes: it.span().map(|span| [span.start, span.end]),
        code: Some(it.code().as_str()),
        severity: it.severity().to_string(),
        message: it.message(),
        place: it.place(),
        help: it.help(),
    });
    unreadable.chain(found).collect()
}

#[derive(Serialize)]
struct Told<'a> {
    request: Asked<'a>,
    played: Vec<Run<'a>>,
    /// Of the last request.
    explanation: Explained<'a>,
    client_sees: Sees,
    conclusion: String,
}

/// Without its headers, which may hold credentials.
#[derive(Serialize)]
struct Asked<'a> {
    method: &'a str,
    host: &'a str,
    target: &'a str,
    version: &'a str,
    headers: Vec<&'a str>,
    body_bytes: Option<u64>,
    from: String,
    from_assumed: bool,
    passed_over: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
struct Run<'a> {
    first: u32,
    last: u32,
    admitted: bool,
    by: Option<&'a str>,
    reason: Option<&'static str>,
    status: Option<u16>,
}

#[derive(Serialize)]
struct Explained<'a> {
    admitted: bool,
    client: Option<Client>,
    stages: Vec<StageTold>,
    rules: Vec<RuleTold<'a>>,
    limits: Vec<LimitTold<'a>>,
    denial: Option<DenialTold<'a>>,
}

#[derive(Serialize)]
struct Client {
    ip: String,
    reason: &'static str,
}

#[derive(Serialize)]
struct StageTold {
    stage: &'static str,
    outcome: &'static str,
}

#[derive(Serialize)]
struct RuleTold<'a> {
    name: &'a str,
    fate: &'static str,
    /// The condition as the file has it.
    when: Option<&'a str>,
    failing: Option<String>,
}

#[derive(Serialize)]
struct LimitTold<'a> {
    name: &'a str,
    fate: &'static str,
    limit: Option<u32>,
    remaining: Option<u32>,
    retry_after_ms: Option<u64>,
    in_flight: Option<u32>,
}

#[derive(Serialize)]
struct DenialTold<'a> {
    reason: &'static str,
    name: &'a str,
    status: u16,
    retry_after_ms: Option<u64>,
}

#[derive(Serialize)]
struct Sees {
    status: Option<u16>,
    retry_after: Option<u64>,
}

/// What came of a request.
pub(super) fn explanation(story: &Story<'_>, out: &mut dyn Write) -> io::Result<()> {
    let curl = &story.asked.curl;
    let peer = &story.asked.peer;
    let runs = story.played.runs.iter().map(|run| Run {
        first: run.first,
        last: run.last,
        admitted: run.refused.is_none(),
        by: run.refused.as_ref().map(|it| it.by.as_str()),
        reason: run.refused.as_ref().map(|it| reason(it.reason)),
        status: run.refused.as_ref().map(|it| it.status),
    });
    let sees = story.sees();
    let told = Told {
        request: Asked {
            method: &curl.method,
            host: &curl.host,
            target: &curl.target,
            version: curl.version,
            headers: curl.headers.iter().map(|(name, _)| name.as_str()).collect(),
            body_bytes: curl.body,
            from: peer.from.to_string(),
            from_assumed: peer.is_assumed,
            passed_over: &curl.ignored,
            notes: &curl.notes,
        },
        played: runs.collect(),
        explanation: explained(story),
        client_sees: Sees { status: sees.status, retry_after: sees.retry_after },
        conclusion: story.conclusion(),
    };
    document(&told, out)
}

fn explained<'a>(story: &'a Story<'_>) -> Explained<'a> {
    let explanation = &story.played.explanation;
    let client = explanation
        .client()
        .map(|client| Client { ip: client.ip.to_string(), reason: found_by(client.reason) });
    let stages = explanation.stages().map(|(stage, outcome)| StageTold {
        stage: stage.name(),
        outcome: match outcome {
            StageOutcome::Passed => "passed",
            StageOutcome::Admitted => "admitted",
            StageOutcome::Denied => "denied",
            _ => "not reached",
        },
    });
    let rule = |rule: &'a RuleReport| RuleTold {
        name: rule.name(),
        fate: match rule.fate() {
            RuleFate::Enforced => "enforced",
            RuleFate::InShadow => "in shadow",
            RuleFate::Skipped => "skipped",
            RuleFate::DoesNotHold => "does not hold",
            _ => "not reached",
        },
        when: story
            .config
            .rule
            .iter()
            .find(|written| written.name == rule.name())
            .map(|written| written.when.as_str()),
        failing: rule.failing().map(ToString::to_string),
    };
    let denial = explanation.denial().map(|denial| DenialTold {
        reason: reason(denial.reason()),
        name: denial.name(),
        status: denial.status(),
        retry_after_ms: denial.retry_after().map(millis),
    });
    Explained {
        admitted: explanation.is_admitted(),
        client,
        stages: stages.collect(),
        rules: explanation.rules().iter().map(rule).collect(),
        limits: explanation.limits().iter().map(limit).collect(),
        denial,
    }
}

fn limit(limit: &LimitReport) -> LimitTold<'_> {
    let standing = limit.standing();
    let in_flight = limit.in_flight();
    let (fate, wait) = match limit.fate() {
        LimitFate::Admits => ("admits", None),
        LimitFate::Denies => ("denies", standing.map(|it| it.retry_after())),
        LimitFate::Saturated => ("no place", standing.map(|it| it.retry_after())),
        LimitFate::MissingKey => ("missing key", None),
        LimitFate::Banned(wait) => ("banned", Some(wait)),
        LimitFate::DoesNotApply => ("does not apply", None),
        LimitFate::NoKey => ("no key", None),
        LimitFate::AsksStore => ("asks the store", None),
        _ => ("not reached", None),
    };
    LimitTold {
        name: limit.name(),
        fate,
        limit: in_flight.map(|it| it.limit()).or(standing.map(|it| it.limit())),
        remaining: standing.map(|it| it.remaining()),
        retry_after_ms: wait.filter(|wait| *wait < std::time::Duration::MAX).map(millis),
        in_flight: in_flight.map(|it| it.in_use()),
    }
}

fn found_by(reason: Reason) -> &'static str {
    match reason {
        Reason::Peer => "no proxy is trusted",
        Reason::Header => "header",
        Reason::AllHopsTrusted => "all hops are trusted",
        Reason::PeerUntrusted => "the peer is not trusted",
        Reason::NoHeader => "no header",
        Reason::TooFewHops => "too few hops",
        Reason::Malformed => "malformed header",
        Reason::TooManyHops => "too many hops",
        #[allow(unreachable_patterns, reason = "there may be more of them")]
        _ => "other",
    }
}

fn millis(wait: std::time::Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
