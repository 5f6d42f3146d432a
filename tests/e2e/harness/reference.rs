//! Verifies webhooks with npm's `standardwebhooks`, the reference implementation.

use super::{Seen, node_modules};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const SCRIPT: &str = "
    const { Webhook } = require(process.argv[1] + '/standardwebhooks');
    const { secret, webhooks } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
    const accepts = ({ headers, body }) => {
        try { new Webhook(secret).verify(Buffer.from(body, 'base64').toString('utf8'), headers); }
        catch (error) {
            if (error.name !== 'WebhookVerificationError' && !(error instanceof SyntaxError)) throw error;
            return false;
        }
        return true;
    };
    console.log(JSON.stringify(webhooks.map(accepts)));";

/// Whether each webhook is signed with the secret, as the reference sees it.
pub(crate) fn accepts<'a>(secret: &str, webhooks: impl IntoIterator<Item = &'a Seen>) -> Vec<bool> {
    let asked = |webhook: &Seen| {
        let headers: Map<String, Value> =
            webhook.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"headers": headers, "body": STANDARD.encode(&webhook.body)})
    };
    let webhooks: Vec<Value> = webhooks.into_iter().map(asked).collect();
    let question = json!({"secret": secret, "webhooks": webhooks}).to_string();
    let mut node = Command::new("node")
        .args(["-e", SCRIPT])
        .arg(node_modules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start node");
    node.stdin.take().expect("it is piped").write_all(question.as_bytes()).expect("ask node");
    let output = node.wait_with_output().expect("node's answer");
    match serde_json::from_slice::<Vec<bool>>(&output.stdout) {
        Ok(answers) => {
            assert_eq!(answers.len(), webhooks.len(), "an answer each");
            answers
        }
        Err(error) => panic!("the reference said {:?}: {error} ({})", output.stdout, output.status),
    }
}
