//! The receivers that docs/WEBHOOKS.md shows, run as they stand there: they know our calls, and no others.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use stagepost::delivery::{signature, standard_webhooks};

use crate::support::peers;

const DOCS: &str = include_str!("../../docs/WEBHOOKS.md");
const SHARED: &str = "s3cr3t";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_614_265_330;

/// Asks the functions of the page about every case on stdin.
const NODE: &str = "
let input = ''
for await (const chunk of process.stdin) input += chunk
const answers = JSON.parse(input).map(({ body, headers, signing, shared, now }) => {
  const raw = Buffer.from(body, 'base64')
  return [isSigned(raw, headers, signing, now * 1000), hasSharedSecret(raw, headers, shared)]
})
console.log(JSON.stringify(answers))
";
const PYTHON: &str = "
import sys

print(json.dumps([
    [
        is_signed(base64.b64decode(case['body']), case['headers'], case['signing'], case['now']),
        has_shared_secret(base64.b64decode(case['body']), case['headers'], case['shared']),
    ]
    for case in json.load(sys.stdin)
]))
";

/// The one block of the page in that language.
fn block(language: &str) -> &'static str {
    let (_, rest) = DOCS.split_once(&format!("```{language}\n")).expect("a block in the page");
    rest.split_once("```").expect("its end").0
}

/// A call as it is sent, `covered` being what `X-Signature` is over.
fn case(body: &str, covered: &str) -> Value {
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let secrets = ["whsec_b2xk".to_owned(), SIGNING.to_owned()];
    json!({
        "body": STANDARD.encode(body), "signing": SIGNING, "shared": SHARED, "now": NOW + 10,
        "headers": {
            "webhook-id": id,
            "webhook-timestamp": NOW.to_string(),
            "webhook-signature": standard_webhooks::sign(&secrets, id, NOW, body).expect("keys"),
            "x-signature": signature::sign(SHARED, covered),
        },
    })
}

/// What anybody may post, with signatures of something else.
fn posted(body: &[u8]) -> Value {
    let mut one = case("{}", "{}");
    one["body"] = json!(STANDARD.encode(body));
    one
}

/// Every case with what is to be said of it: by `webhook-signature`, and by `X-Signature`.
fn cases() -> Vec<(Value, [bool; 2])> {
    let text = r#"{"2":3,"type":"track","event":"Café / ","properties":{"total":10,"rate":1e-7,"big":9007199254740993}}"#;
    let batch = r#"[{"cool":false,"rate":1e-7,"e":1e+21},{"cool":true}]"#;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut one = case(text, text);
        change(&mut one);
        one
    };
    let mut unsigned = case(text, text);
    unsigned["headers"] = json!({});
    let mut vector = case(r#"{"test": 2432232314}"#, r#"{"test": 2432232314}"#);
    vector["headers"]["webhook-signature"] = json!("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    vec![
        (case(text, text), [true, true]),
        (case(batch, r#"{"cool":false,"rate":1e-7,"e":1e+21}"#), [true, true]),
        (vector, [true, true]),
        (changed(&|one| one["body"] = json!(STANDARD.encode(text.replace("10", "11")))), [false, false]),
        (changed(&|one| one["headers"]["webhook-id"] = json!("msg_other")), [false, true]),
        (changed(&|one| one["now"] = json!(NOW + 301)), [false, true]),
        (changed(&|one| one["signing"] = json!("whsec_b3RoZXI=")), [false, true]),
        (changed(&|one| one["shared"] = json!("other")), [true, false]),
        (unsigned, [false, false]),
        // One call whose data are a list is signed whole.
        (case(batch, batch), [true, true]),
        // Whatever anybody sends, the answer is no, and no fault.
        (changed(&|one| one["headers"]["x-signature"] = json!("é".repeat(40))), [true, false]),
        (
            changed(&|one| one["headers"]["webhook-signature"] = json!(format!("v1,{}", "é".repeat(44)))),
            [false, true],
        ),
        (changed(&|one| one["headers"]["webhook-timestamp"] = json!("²")), [false, true]),
        (changed(&|one| one["headers"]["webhook-timestamp"] = json!("1".repeat(5000))), [false, true]),
        (changed(&|one| one["headers"]["webhook-timestamp"] = json!("")), [false, true]),
        (posted(b"{"), [false, false]),
        (posted(b"["), [false, false]),
        (posted(b"[]"), [false, false]),
        (posted(b""), [false, false]),
        (posted(b"\xff"), [false, false]),
        (posted(b"[\xff"), [false, false]),
        (posted("[".repeat(100_000).as_bytes()), [false, false]),
        (posted(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()), [false, false]),
        (posted(format!("[{}]", "1".repeat(5000)).as_bytes()), [false, false]),
    ]
}

/// What the program says of the cases.
fn asked(mut command: Command, folder: &Path) -> Value {
    let input = folder.join("cases.json");
    let cases: Vec<Value> = cases().into_iter().map(|(case, _)| case).collect();
    std::fs::write(&input, Value::from(cases).to_string()).expect("a file of cases");
    let input = std::fs::File::open(&input).expect("the file of cases");
    let output = command.stdin(Stdio::from(input)).output().expect("the receiver's program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("its answers")
}

fn wanted() -> Value {
    cases().into_iter().map(|(_, wanted)| json!(wanted)).collect()
}

#[test]
fn the_receiver_in_node_knows_our_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("receiver.mjs");
    std::fs::write(&script, format!("{}{NODE}", block("js"))).expect("a script");
    let mut command = peers::node();
    command.arg(&script);
    assert_eq!(asked(command, folder.path()), wanted());
}

#[test]
fn the_receiver_in_python_knows_our_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("receiver.py");
    std::fs::write(&script, format!("{}{PYTHON}", block("python"))).expect("a script");
    let mut command = Command::new(peers::python());
    command.arg(&script);
    assert_eq!(asked(command, folder.path()), wanted());
}
