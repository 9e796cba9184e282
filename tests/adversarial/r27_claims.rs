//! **Row 27: what a client says of its own connection, and of the host that it asks for.**
//!
//! Identifiers: CVE-2016-4553 (Squid: an absolute target, and another host in the line); "Host of Troubles" (CCS 2016); CVE-2023-35944 (Envoy: schemes that
//! are believed, or are not, by their spelling).
//!
//! The attack: `GET https://shop.example/` on a connection in the clear, and a rule that lets only encrypted ones pass lets it pass. Or a target that names
//! one host and a line `Host` that names another one: the rule looks at the first, and the application answers for the second. Or a host that only one of
//! them can read: `admin.example:x`.
//!
//! Ours: a scheme proves nothing (`is_encrypted` in `src/adapt/seen.rs`), and where it is known by what the application picks a host, rules see that one (`host` in
//! `src/adapt/actix/view.rs`). Where it is not known, behind a tower layer, the book has a rule that refuses who names two.
//!
//! Shown to fail, tests counted from above:
//! - `src/adapt/http/view.rs`, `is_encrypted` is the scheme's word: test 1;
//! - `src/adapt/seen.rs`, the host is not freed from an odd port: tests 2 and 4;
//! - `src/adapt/actix/view.rs`, the target's host counts first, or a line that is a URI is not read as one: test 4.

use http::{HeaderValue, Version};
use portcullis::GateLayer;
use tower_layer::Layer;

use crate::support::{Hello, client, gate, get, send};

const TLS_ONLY: &str = "[[rule]]\nname = \"tls only\"\nwhen = \"not ssl\"\nthen = \"deny\"\n";
const NO_ADMIN: &str =
    "[[rule]]\nname = \"admin\"\nwhen = 'host eq \"admin.example\"'\nthen = \"deny\"\n";

const TARGETS: [&str; 6] = [
    "/",
    "http://shop.example/",
    "https://shop.example/",
    "HTTPS://shop.example/",
    "https://shop.example:443/",
    "wss://shop.example/",
];

#[test]
fn no_target_says_that_a_connection_is_encrypted() {
    #[derive(Clone)]
    struct Encrypted;

    let gate = gate(TLS_ONLY);
    let mut silent = GateLayer::new(&gate).layer(Hello);
    let mut told = GateLayer::new(&gate)
        .describe(|request, extensions, _| {
            request.field("ssl", extensions.get::<Encrypted>().is_some())
        })
        .layer(Hello);
    for target in TARGETS {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let request = || {
                let mut request = get(client(1), target);
                *request.version_mut() = version;
                request
            };
            assert_eq!(send(&mut silent, request()).0.status, 403, "{target} {version:?}");
            assert_eq!(send(&mut told, request()).0.status, 403, "{target} {version:?}");
            let mut encrypted = request();
            encrypted.extensions_mut().insert(Encrypted);
            assert_eq!(send(&mut told, encrypted).0.status, 200, "{target} {version:?}");
        }
    }
}

#[test]
fn no_port_hides_a_host() {
    let gate = gate(NO_ADMIN);
    let mut service = GateLayer::new(&gate).layer(Hello);
    for name in [
        "admin.example",
        "admin.example:",
        "admin.example:80",
        "admin.example:x",
        "u@admin.example:-1",
    ] {
        let request = get(client(1), &format!("http://{name}/"));
        assert_eq!(request.uri().host(), Some("admin.example"), "what an application may go by");
        assert_eq!(send(&mut service, request).0.status, 403, "{name}");
        let mut request = get(client(1), "/");
        request.headers_mut().insert("host", HeaderValue::from_str(name).unwrap());
        assert_eq!(send(&mut service, request).0.status, 403, "{name}");
    }
}

/// Where it is not known which of two hosts an application goes by, nobody has two.
#[test]
fn who_names_two_hosts_is_refused_by_the_rule_of_the_book() {
    let gate = gate(
        r#"[[rule]]
           name = "two hosts"
           when = '''exists(header["host"]) and not (
                       host eq "shop.example"  and lower(header["host"]) ~ r"^shop\.example(:\d+)?$"
                    or host eq "admin.example" and lower(header["host"]) ~ r"^admin\.example(:\d+)?$")'''
           deny = 400
        "#,
    );
    let mut service = GateLayer::new(&gate).layer(Hello);
    for (target, line, status) in [
        ("/", "shop.example", 200),
        ("/", "Admin.Example:8080", 200),
        ("http://shop.example/", "shop.example", 200),
        ("http://shop.example:8080/", "SHOP.example", 200),
        ("http://shop.example/", "admin.example", 400),
        ("http://admin.example/", "shop.example", 400),
        ("http://shop.example/", "shop.example@admin.example", 400),
        ("http://shop.example/", "http://admin.example", 400),
        ("http://shop.example/", "", 400),
    ] {
        let mut request = get(client(1), target);
        request.headers_mut().insert("host", HeaderValue::from_static(line));
        assert_eq!(send(&mut service, request).0.status, status, "{target} {line}");
    }
}

/// With actix-web it is known, and is the same: whatever a guard takes for the host, a rule does.
#[cfg(feature = "actix")]
#[test]
fn a_rule_and_a_guard_see_one_host() {
    use actix_web::{
        App, HttpResponse, guard, http,
        rt::System,
        test::{TestRequest, call_service, init_service},
        web,
    };
    use portcullis::{Gate, GateMiddleware};

    let app = |gate: &Gate| {
        let admin = web::scope("").guard(guard::Host("admin.example"));
        let app = App::new().wrap(GateMiddleware::new(gate));
        init_service(
            app.service(admin.default_service(web::to(|| async { HttpResponse::Ok().finish() })))
                .default_service(web::to(|| async { HttpResponse::NotFound().finish() })),
        )
    };
    let targets = [
        "/",
        "http://shop.example/",
        "http://admin.example/",
        "http://admin.example:81/",
        "http://admin.example:x/",
        "http://u:w@admin.example/",
    ];
    let lines: [Option<&[u8]>; 17] = [
        None,
        Some(b"shop.example"),
        Some(b"admin.example"),
        Some(b"admin.example:81"),
        Some(b"admin.example:"),
        Some(b"admin.example:x"),
        Some(b"u:w@admin.example"),
        Some(b"http://admin.example"),
        Some(b"http://admin.example/x?y"),
        Some(b"HTTP://u@admin.example:x?y"),
        Some(b"x://admin.example"),
        Some(b"://admin.example"),
        Some(b"admin.example/x"),
        Some(b"admin.example#x"),
        Some(b""),
        Some(b"/"),
        Some(b"shop.example\xe9"),
    ];
    System::new().block_on(async {
        let open = app(&Gate::builder().build().unwrap()).await;
        let guarded = app(&gate(NO_ADMIN)).await;
        let mut found = 0;
        for version in [http::Version::HTTP_10, http::Version::HTTP_11, http::Version::HTTP_2] {
            for target in targets {
                for line in lines {
                    let request = || {
                        let peer = "203.0.113.9:4711".parse().unwrap();
                        let request =
                            TestRequest::with_uri(target).version(version).peer_addr(peer);
                        match line {
                            Some(line) => request.insert_header(("host", line)).to_request(),
                            None => request.to_request(),
                        }
                    };
                    let is_admin = call_service(&open, request()).await.status() == 200;
                    let is_refused = call_service(&guarded, request()).await.status() == 403;
                    let line = line.map(|line| line.escape_ascii().to_string());
                    // A rule may see a host where a guard sees none, and not the reverse.
                    assert!(is_refused || !is_admin, "{version:?} {target} {line:?}");
                    found += u32::from(is_admin);
                    let is_plain =
                        line.as_deref() == Some("shop.example") && version < http::Version::HTTP_2;
                    assert!(!(is_plain && is_refused), "{version:?} {target}: asks for the shop");
                }
            }
        }
        assert!(found > 100, "{found}");
    });
}
