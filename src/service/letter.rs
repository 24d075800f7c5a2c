//! What mails say. Whatever people have chosen stands within, on lines of its own.

use entities::delivery::Model;
use entities::values::EventKind;
use serde_json::Value;

use super::{App, delivery};

/// Subject and body.
pub(super) fn write(app: &App, row: &Model) -> (String, String) {
    let data = delivery::data(app, row);
    let place = word(&data["environment"]["path"]);
    let deployment = format!("deployment {} of {place}", data["deployment"]["number"]);
    let domain = format!("the domain {} of {place}", word(&data["domain"]["name"]));
    let subject = match row.event {
        EventKind::DeploymentSucceeded => format!("{deployment} is up"),
        EventKind::DeploymentFailed => format!("{deployment} failed"),
        EventKind::DeploymentRolledBack => {
            format!("{place} was rolled back to deployment {}", data["deployment"]["number"])
        }
        EventKind::DeploymentRetired => format!("{deployment} was retired"),
        EventKind::DeploymentRevived => format!("{deployment} was revived"),
        EventKind::DeploymentCancelled => format!("{deployment} was cancelled"),
        EventKind::DeploymentSkipped => format!("{deployment} was skipped"),
        EventKind::DeploymentDeleted => format!("{deployment} was deleted"),
        EventKind::DomainVerified => format!("{domain} is verified"),
        EventKind::DomainLost => format!("{domain} is lost"),
        EventKind::Ping => "a try".to_owned(),
        EventKind::Invitation => return invitation(app, &data),
    };
    let mut lines = vec![format!("{subject}."), String::new()];
    let told = [
        ("Why", &data["reason"]),
        ("Message", &data["deployment"]["message"]),
        ("By", &data["actor"]["name"]),
        ("Link", &data["links"]["deployment"]),
        ("Environment", &data["links"]["environment"]),
        ("Deployment", &data["deployment"]["id"]),
    ];
    for (name, value) in told {
        if let Some(text) = value.as_str() {
            lines.push(format!("{name}: {text}"));
        }
    }
    lines.push(format!("Time: {}", row.created_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
    lines.extend([String::new(), "You choose what you are told of a project by `setNotifications`.".to_owned()]);
    (subject, lines.join("\n") + "\n")
}

fn invitation(app: &App, data: &Value) -> (String, String) {
    let place = word(&data["destination"]);
    let lines = [
        format!("{} invites you to {place} as {}.", word(&data["by"]), word(&data["role"])),
        String::new(),
        format!(
            "Sign in or sign up with this address at {}, and accept or decline it",
            app.config.public_url.as_deref().unwrap_or_default()
        ),
        format!("until {}. On the command line: reeve accept", word(&data["until"])),
        String::new(),
        "If you do not know who that is, you need not do anything.".to_owned(),
    ];
    (format!("you are invited to {place}"), lines.join("\n") + "\n")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
