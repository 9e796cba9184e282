//! What is sent, to a connection that answers what it is told to.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use parking_lot::Mutex;
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};

use super::RedisStore;
use crate::{
    Quota, Timestamp,
    limit::remote::{
        Call, Claim, Fleet, FleetSettings, OnFailure, SCRIPT, SCRIPT_SHA1, Step, Store, StoreError,
    },
};

/// Answers with what `answer` makes of a command's words.
#[derive(Clone)]
struct Fake {
    commands: Arc<Mutex<Vec<Vec<String>>>>,
    answer: Arc<Answer>,
}

type Answer = dyn Fn(&[String]) -> String + Send + Sync;

impl Fake {
    fn new<T: ToString>(answer: impl Fn(&[String]) -> T + Send + Sync + 'static) -> Self {
        let answer = Arc::new(move |words: &[String]| answer(words).to_string());
        Self { commands: Arc::default(), answer }
    }

    fn store(&self) -> RedisStore<Self> {
        RedisStore::new(self.clone())
    }

    /// The commands so far, without their arguments after the script.
    fn names(&self) -> Vec<String> {
        self.commands.lock().iter().map(|words| words[0].clone()).collect()
    }
}

impl ConnectionLike for Fake {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let words: Vec<String> = command
            .args_iter()
            .map(|word| match word {
                Arg::Simple(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                _ => panic!("nothing else is sent"),
            })
            .collect();
        let reply = redis::parse_redis_value((self.answer)(&words).as_bytes());
        alloc::boxed::Box::pin(async move {
            self.commands.lock().push(words);
            reply
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("no pipelines are sent");
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn call() -> Call {
    let fleet = Fleet::new(FleetSettings::new().prefix("shop")).unwrap();
    let limit = fleet.limit("per client", Quota::per_second(5), OnFailure::Local).unwrap();
    let claims = [Claim::new(&limit, fleet.subject(b"alice"), 1)];
    let Step::Ask(ask) = fleet.step(&claims, fleet.begin(Timestamp::ZERO), Timestamp::ZERO) else {
        panic!("nobody was asked");
    };
    ask.calls()[0].clone()
}

const REPLY: &str = "*4\r\n:1\r\n:4\r\n:0\r\n:200000\r\n";
const NOSCRIPT: &str = "-NOSCRIPT No matching script. Please use EVAL.\r\n";

#[tokio::test]
async fn a_call_is_one_command_with_the_keys_and_the_arguments() {
    let fake = Fake::new(|_| REPLY);
    let call = call();
    assert_eq!(fake.store().call(&call).await, Ok(vec![1, 4, 0, 200_000]));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut expected = vec!["EVALSHA".to_string(), SCRIPT_SHA1.to_string(), "1".to_string()];
    expected.extend(call.keys().chain(call.args()).map(text));
    assert_eq!(*fake.commands.lock(), [expected]);
}

#[tokio::test]
async fn a_script_that_is_not_known_is_sent_once() {
    let fake = Fake::new(|words| if words[0] == "EVAL" { REPLY } else { NOSCRIPT });
    assert_eq!(fake.store().call(&call()).await, Ok(vec![1, 4, 0, 200_000]));
    assert_eq!(fake.names(), ["EVALSHA", "EVAL"]);
    let (first, second) = {
        let commands = fake.commands.lock();
        (commands[0].clone(), commands[1].clone())
    };
    assert_eq!(second[1], SCRIPT);
    assert_eq!(first[2..], second[2..]);

    let fake = Fake::new(|_| NOSCRIPT);
    let reply = fake.store().call(&call()).await;
    assert!(matches!(reply, Err(StoreError::Refused(_))), "{reply:?}");
    assert_eq!(fake.names(), ["EVALSHA", "EVAL"], "and not again and again");
}

#[tokio::test]
async fn what_fails_otherwise_is_not_tried_again() {
    let fake = Fake::new(|_| "-READONLY You can't write against a read only replica.\r\n");
    let reply = fake.store().call(&call()).await;
    assert!(matches!(reply, Err(StoreError::Refused(_))), "{reply:?}");
    assert_eq!(fake.names(), ["EVALSHA"]);
}

#[tokio::test]
async fn replies_of_another_kind_are_malformed() {
    for reply in ["+what\r\n", "$3\r\nabc\r\n", "*1\r\n*1\r\n:1\r\n", "*1\r\n$1\r\nx\r\n", "#t\r\n"]
    {
        let said = Fake::new(move |_| reply).store().call(&call()).await;
        assert_eq!(said, Err(StoreError::Malformed), "{reply:?}");
    }
}

#[tokio::test]
async fn loading_says_whether_the_store_can_be_used() {
    let fake = Fake::new(|_| format!("$40\r\n{SCRIPT_SHA1}\r\n"));
    let loaded = fake.store().load().await;
    assert_eq!(*fake.commands.lock(), [["SCRIPT", "LOAD", SCRIPT].map(str::to_string)]);
    assert_eq!(loaded, Ok(()));
    let fake = Fake::new(|_| "$3\r\nabc\r\n");
    assert_eq!(fake.store().load().await, Err(StoreError::Malformed));
    let fake = Fake::new(|_| "-NOPERM no\r\n");
    assert!(matches!(fake.store().load().await, Err(StoreError::Refused(_))));
}

#[test]
fn debug_output_names_nothing_of_the_connection() {
    assert_eq!(format!("{:?}", RedisStore::new("password")), "RedisStore { .. }");
}
