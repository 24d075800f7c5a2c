//! Every action in every state: what comes of it, or why it is refused. What the table says is written out, and proved to be
//! complete, beside the function that decides it; here the program is held to it.

use reeve::domain::deployment::state::{Action, Refusal, State, Subject};
use serde_json::{Value, json};

use super::{Ground, document};
use crate::durability::program::Mood;
use crate::harness::{Deployment, ROLLBACK};

/// What comes of an action on a deployment on which nothing is under way but what its state says.
fn decide(state: State, action: Action, program: bool) -> Result<State, Refusal> {
    reeve::domain::deployment::state::decide(Subject { state, program, restarting: false }, action)
}

/// Brings a deployment into a state, on a ground that holds where this state passes quickly; one of a program where it has to be.
async fn bring(ground: &Ground, state: State, program: bool) -> Deployment {
    let environment = ground.environment().await;
    match state {
        State::Draft => ground.page(&environment, "v1").await,
        State::Queued => {
            ground.hold();
            let before = ground.page(&environment, "v0").await;
            ground.deploy(&before).await;
            ground.reaches(&before.id, "BUILDING").await;
            let deployment = ground.page(&environment, "v1").await;
            ground.deploy(&deployment).await;
            deployment
        }
        State::Building => {
            ground.hold();
            let deployment = ground.page(&environment, "v1").await;
            ground.deploy(&deployment).await;
            ground.reaches(&deployment.id, "BUILDING").await;
            deployment
        }
        State::Starting => {
            let deployment = ground.program(&environment, "v1", Mood::Gated).await;
            ground.deploy(&deployment).await;
            ground.reaches(&deployment.id, "STARTING").await;
            deployment
        }
        State::Active | State::Ready | State::Retired => {
            let deployment = match program {
                true => ground.program(&environment, "v1", Mood::Well).await,
                false => ground.page(&environment, "v1").await,
            };
            ground.deploy(&deployment).await;
            ground.settled(&deployment.id, "ACTIVE").await;
            if state != State::Active {
                let newer = ground.page(&environment, "v2").await;
                ground.deploy(&newer).await;
                ground.settled(&newer.id, "ACTIVE").await;
            }
            if state == State::Retired {
                ground.ask("RETIRE", &deployment).await;
                ground.settled(&deployment.id, "RETIRED").await;
            }
            deployment
        }
        State::Failed => {
            let deployment = ground.program(&environment, "v1", Mood::Quits).await;
            ground.deploy(&deployment).await;
            ground.settled(&deployment.id, "FAILED").await;
            deployment
        }
        State::Cancelled => {
            let deployment = ground.page(&environment, "v1").await;
            ground.ask("CANCEL", &deployment).await;
            ground.settled(&deployment.id, "CANCELLED").await;
            deployment
        }
        State::Skipped => {
            let before = ground.program(&environment, "v0", Mood::Gated).await;
            ground.deploy(&before).await;
            ground.reaches(&before.id, "STARTING").await;
            let (deployment, newer) = (ground.page(&environment, "v1").await, ground.page(&environment, "v2").await);
            ground.deploy(&deployment).await;
            ground.deploy(&newer).await;
            ground.ask("CANCEL", &before).await;
            ground.settled(&newer.id, "ACTIVE").await;
            deployment
        }
        State::Reviving => {
            let deployment = ground.program(&environment, "v1", Mood::Gated).await;
            ground.deploy(&deployment).await;
            ground.reaches(&deployment.id, "STARTING").await;
            let gate = ground.data.path().join("releases").join(&deployment.id).join("gate");
            std::fs::write(&gate, "").unwrap();
            ground.settled(&deployment.id, "ACTIVE").await;
            let newer = ground.page(&environment, "v2").await;
            ground.deploy(&newer).await;
            ground.settled(&newer.id, "ACTIVE").await;
            std::fs::remove_file(gate).unwrap();
            ground.ask("RETIRE", &deployment).await;
            ground.settled(&deployment.id, "RETIRED").await;
            ground.ask("REVIVE", &deployment).await;
            deployment
        }
        State::Deleted => {
            let deployment = ground.page(&environment, "v1").await;
            ground.ask("DELETE", &deployment).await;
            ground.settled(&deployment.id, "DELETED").await;
            deployment
        }
    }
}

fn asked(action: Action, deployment: &Deployment) -> (&'static str, Value) {
    let id = &deployment.id;
    match action {
        Action::Rollback => (ROLLBACK, json!({ "input": { "id": id, "reason": "to try" } })),
        Action::Deploy
        | Action::Redeploy
        | Action::Retire
        | Action::Revive
        | Action::Delete
        | Action::Cancel
        | Action::Restart => (document(action.as_str()), json!({ "input": { "id": id } })),
    }
}

/// Lets go of what holds the deployment in its state.
fn let_go(ground: &Ground, deployment: &Deployment, state: State) {
    ground.go_on();
    if matches!(state, State::Starting | State::Reviving) {
        let gate = ground.data.path().join("releases").join(&deployment.id).join("gate");
        let _ = std::fs::write(gate, "");
    }
}

async fn every_action_in(ground: &Ground, state: State) {
    let deployment = bring(ground, state, false).await;
    let offered = ground.read(&deployment.id).await["availableActions"].clone();
    for action in Action::ALL {
        let cell = format!("{} {}", state.as_str(), action.as_str());
        let offer = offered.as_array().unwrap().iter().find(|offer| offer["action"] == action.as_str());
        let decided = decide(state, action, false);
        assert_eq!(offer.unwrap()["allowed"], decided.is_ok(), "{cell}: what is offered is what is done");
        let Err(refusal) = decided else { continue };
        let (document, variables) = asked(action, &deployment);
        let refused = ground.ada.refusal(document, variables).await;
        assert_eq!(
            (refused.code.as_str(), &refused.extensions["reason"]),
            ("FAILED_PRECONDITION", &json!(refusal.code())),
            "{cell}"
        );
        assert_eq!(ground.read(&deployment.id).await["state"], state.as_str(), "{cell}: a refusal changes nothing");
    }
    let_go(ground, &deployment, state);
    for action in Action::ALL {
        let program = action == Action::Restart;
        if decide(state, action, program).is_err() {
            continue;
        }
        let deployment = bring(ground, state, program).await;
        let (document, variables) = asked(action, &deployment);
        let data = ground.ada.ok(document, variables).await;
        let cancels = action == Action::Cancel;
        if !cancels {
            let_go(ground, &deployment, state);
        }
        let end = match (state, action) {
            (_, Action::Deploy | Action::Rollback) => "ACTIVE",
            (_, Action::Retire) => "RETIRED",
            (_, Action::Revive) => "READY",
            (_, Action::Delete) => "DELETED",
            (State::Reviving, Action::Cancel) => "RETIRED",
            (_, Action::Cancel) => "CANCELLED",
            (State::Reviving, Action::Redeploy) => "READY",
            (state, Action::Redeploy | Action::Restart) => state.as_str(),
        };
        if cancels {
            ground.go_on();
        }
        ground.settled(&deployment.id, end).await;
        if action == Action::Redeploy {
            redeployed(ground, &deployment, &data, state).await;
        }
    }
}

/// The new deployment is the same version, and the active one is as it was.
async fn redeployed(ground: &Ground, source: &Deployment, data: &Value, state: State) {
    let id = data["redeploy"]["deployment"]["id"].as_str().unwrap();
    assert_ne!(id, source.id);
    if state == State::Failed {
        ground.settled(id, "FAILED").await;
    } else if state == State::Reviving {
        let gate = ground.data.path().join("releases").join(id);
        crate::harness::eventually("the release is there", async || gate.exists().then_some(())).await;
        std::fs::write(gate.join("gate"), "").unwrap();
        ground.settled(id, "READY").await;
    } else {
        ground.settled(id, "READY").await;
    }
    assert_eq!(ground.read(id).await["source"]["id"], source.id);
}

macro_rules! cells {
    ($($name:ident: $state:ident $(at $place:literal)?;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let ground = Ground::holding_at(&[$($place)?]).await;
                every_action_in(&ground, State::$state).await;
            }
        )*

        #[test]
        fn every_state_has_its_row() {
            assert_eq!([$(State::$state),*], State::ALL);
        }
    };
}

cells! {
    a_draft: Draft;
    a_queued_one: Queued at "deploy.release.run";
    one_that_is_built: Building at "deploy.release.run";
    one_that_starts: Starting;
    a_ready_one: Ready;
    the_active_one: Active;
    a_failed_one: Failed;
    a_cancelled_one: Cancelled;
    a_skipped_one: Skipped;
    a_retired_one: Retired;
    one_that_is_revived: Reviving;
    a_deleted_one: Deleted;
}
