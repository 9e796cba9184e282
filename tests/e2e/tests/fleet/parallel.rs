//! Many tasks, many nodes, many processes on one key: never more than the limit, and not much less.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    slice::from_ref,
    time::{Duration, Instant},
};

use portcullis::{
    Quota, SystemClock,
    limit::remote::{Answer, Claim, Fleet, FleetSettings, OnFailure},
};
use redis::Client;
use tokio::task::JoinSet;

use super::{
    node::{Node, PATIENT, QUOTA},
    server::{Managed, Server, managed},
};

fn settings(nodes: u32) -> FleetSettings {
    FleetSettings::new().prefix("test").nodes(nodes)
}

fn node(nodes: u32, burst: u32, store: Managed) -> Node<Managed> {
    Node::with(settings(nodes), PATIENT, QUOTA.burst(burst), store)
}

/// How many of so many tasks at once are admitted by each of these nodes.
async fn at_once(nodes: &[Node<Managed>], tasks: usize) -> u32 {
    let mut checks = JoinSet::new();
    for node in nodes {
        for _ in 0..tasks {
            let node = node.clone();
            checks.spawn(async move { node.check(&node.limits[2], "alice").await });
        }
    }
    let answers = checks.join_all().await;
    let admitted = answers.iter().filter(|answer| matches!(answer, Answer::Admitted(_))).count();
    let denied = answers.iter().filter(|answer| matches!(answer, Answer::Denied(_))).count();
    assert_eq!(admitted + denied, answers.len(), "nobody has given up");
    u32::try_from(admitted).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_is_asked_by_few_of_two_hundred_tasks_and_a_burst_of_them_is_admitted() {
    for server in Server::start_each() {
        let node = node(1, 50, server.store().await);
        assert_eq!(at_once(from_ref(&node), 200).await, 50);
        let calls = node.fleet.stats().calls();
        assert!(calls <= 40, "{calls} calls for 200 checks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_gives_several_nodes_one_burst() {
    for server in Server::start_each() {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(node(4, 100, server.store().await));
        }
        assert_eq!(at_once(&nodes, 100).await, 100);
        let calls: u64 = nodes.iter().map(|node| node.fleet.stats().calls()).sum();
        assert!(calls <= 100, "{calls} calls for 400 checks");
    }
}

/// What a call can take in advance is one thing; those who wait already are served all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_grants_what_those_want_who_wait_even_if_nothing_is_leased() {
    for server in Server::start_each() {
        let node = node(1_000, 50, server.store().await);
        assert_eq!(at_once(from_ref(&node), 200).await, 50);
        let calls = node.fleet.stats().calls();
        assert!(calls <= 40, "{calls} calls for 200 checks");
    }
}

const SOCKET: &str = "PORTCULLIS_TEST_FLEET_SOCKET";
const PROCESSES: u32 = 8;
const RATE: u32 = 5_000;
const BURST: u32 = 200;
const LONG: Duration = Duration::from_millis(2_500);

/// One of eight processes, if this is one: whoever runs the tests passes by.
#[tokio::test]
async fn redis_process_that_is_started_by_another_test() {
    let Ok(socket) = env::var(SOCKET) else { return };
    let store = managed(Client::open(format!("redis+unix://{socket}")).unwrap()).await;
    let settings = settings(PROCESSES).timeout(PATIENT).lease(Duration::from_millis(20));
    let fleet = Fleet::new(settings).unwrap();
    let quota = Quota::per_second(RATE).burst(BURST);
    let limit = fleet.limit("exports", quota, OnFailure::Closed).unwrap();
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (fleet, limit, store) = (fleet.clone(), limit.clone(), store.clone());
        tasks.spawn(async move {
            let claims = [Claim::new(&limit, fleet.subject(b"alice"), 1)];
            let (begun, mut admitted) = (Instant::now(), 0_u32);
            while begun.elapsed() < LONG {
                let answers = fleet.check(&claims, &store, SystemClock::now).await;
                match answers.get(0) {
                    // Requests are tasks of their own: others have their turn.
                    Some(Answer::Admitted(_)) => {
                        admitted += 1;
                        tokio::task::yield_now().await;
                    }
                    // Eight of them want a processor.
                    Some(Answer::Denied(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                    other => panic!("{other:?}, {:?}", fleet.stats()),
                }
            }
            admitted
        });
    }
    let admitted: u32 = tasks.join_all().await.iter().sum();
    println!("admitted {admitted}, calls {}", fleet.stats().calls());
}

/// A process that ends with the test, however that ends.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of this child that begins like this, without that.
fn line(output: &mut impl BufRead, begin: &str) -> String {
    let mut lines = output.lines().map(Result::unwrap);
    let line = lines.find_map(|line| {
        // The harness writes the test's name without an end of line.
        let at = line.find(begin)?;
        Some(line[at + begin.len()..].to_string())
    });
    line.expect("a child that goes on")
}

#[test]
fn redis_gives_several_processes_one_limit() {
    let Some(server) = Server::start() else { return };
    let spawn = |_| {
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "parallel::redis_process_that_is_started_by_another_test",
                "--exact",
                "--nocapture",
            ])
            .env(SOCKET, server.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, output };
        line(&mut process.output, "ready");
        process
    };
    let mut children: Vec<Process> = (0..PROCESSES).map(spawn).collect();
    let time = || {
        let [secs, micros]: [u64; 2] = server.ask(&["TIME"]);
        secs * 1_000_000 + micros
    };
    let begun = time();
    for Process { child, .. } in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let mut admitted = 0;
    let mut calls = 0;
    for Process { child, output } in &mut children {
        let counts = line(output, "admitted ");
        let (own_admitted, own_calls) = counts.split_once(", calls ").unwrap();
        admitted += own_admitted.parse::<u64>().unwrap();
        calls += own_calls.parse::<u64>().unwrap();
        assert!(child.wait().unwrap().success());
    }
    let passed = time() - begun;
    let most = u64::from(BURST) + u64::from(RATE) * passed / 1_000_000;
    assert!(admitted <= most, "{admitted} admitted of {most}");
    let least =
        u64::from(BURST) + u64::from(RATE) * u64::try_from(LONG.as_millis()).unwrap() / 1_000;
    // Half of it: how fast they are depends on what else the machine does.
    assert!(admitted * 2 >= least, "{admitted} admitted of {least} to {most}, in {calls} calls");
    assert!(calls * 2 < admitted, "{calls} calls for {admitted} units: leases are of use");
}
