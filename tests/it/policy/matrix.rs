//! The golden matrix, through the API: each role, bound at each kind of scope, gives what its rows in `policy/packs` say and
//! nothing else. Each cell is asked of the one whom it concerns (`viewerCan`) and of somebody who may know (`accessDecision`).

use std::collections::HashMap;
use std::fmt::Write;

use expect_test::{ExpectFile, expect_file};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::specification::{Capability, Holding, Pack, Place, capabilities};
use super::world::{Ground, World};
use crate::harness::Client;

/// Aliases that one document may have are few.
const QUESTIONS: usize = 45;
const VIEWER_CAN: &str = "query($ids: [ID!]!, $capabilities: [String!]!) { nodes(ids: $ids) {
    ... on Team { viewerCan(capabilities: $capabilities) { capability allowed } }
    ... on Organization { viewerCan(capabilities: $capabilities) { capability allowed } }
    ... on Project { viewerCan(capabilities: $capabilities) { capability allowed } }
    ... on Environment { viewerCan(capabilities: $capabilities) { capability allowed } } } }";
const CONSOLE: &str = "query($capabilities: [String!]!) {
    console { viewerCan(capabilities: $capabilities) { capability allowed } } }";
/// Places as the golden files show them.
const SHOWN: [(Place, &str); 6] = [
    (Place::Console, "C"),
    (Place::Team, "T"),
    (Place::Organization, "O"),
    (Place::Project, "P"),
    (Place::Production, "E+"),
    (Place::Staging, "E-"),
];

/// What the API answers about one holder: by place and capability. A place that the holder may not view has no answer.
type Answers = HashMap<(Place, String), bool>;

/// What somebody holds, and everything that was answered.
struct Block {
    holding: Holding,
    seen: Answers,
    decided: Answers,
}

#[tokio::test]
async fn ownstak_gives_what_its_rows_say() {
    check("ownstak", 7, expect_file!["./ownstak.txt"]).await;
}

#[tokio::test]
async fn mia_console_gives_what_its_rows_say() {
    check("mia-console", 18, expect_file!["./mia-console.txt"]).await;
}

#[tokio::test]
async fn devops_console_gives_what_its_rows_say() {
    check("devops-console", 10, expect_file!["./devops-console.txt"]).await;
}

#[tokio::test]
async fn launch_gives_what_its_rows_say() {
    check("launch", 6, expect_file!["./launch.txt"]).await;
}

#[tokio::test]
async fn codetainer_gives_what_its_rows_say() {
    check("codetainer", 6, expect_file!["./codetainer.txt"]).await;
}

#[tokio::test]
async fn reeve_gives_what_its_rows_say() {
    check("reeve", 3, expect_file!["./reeve.txt"]).await;
}

async fn check(pack: &'static str, blocks: usize, golden: ExpectFile) {
    let (world, pack, capabilities) = (World::new().await, Pack::read(pack), capabilities());
    let mut ground = world.ground("acme").await;
    let sibling = world.ada.create_project(&ground.ids[&Place::Organization], "sibling").await;
    let elsewhere = world.server.sign_up("eve").await.create_organization("elsewhere").await;
    ground.ids.extend([(Place::Sibling, sibling), (Place::Elsewhere, elsewhere)]);
    let holdings = pack.holdings().into_iter();
    let asked = holdings.map(async |holding| ask(&world, &ground, &capabilities, &pack, holding).await);
    let answered: Vec<Block> = futures_util::stream::iter(asked).buffered(8).collect().await;
    assert_eq!(answered.len(), blocks, "a role was added or taken away");
    let mut cells = 0;
    let mut differing = Vec::new();
    for block in &answered {
        for place in Place::JUDGED {
            for capability in &capabilities {
                cells += block.compare(&pack, place, capability, &mut differing);
            }
        }
    }
    assert!(differing.is_empty(), "{} of {cells} cells differ:\n{}", differing.len(), differing.join("\n"));
    let asked = answered.iter().map(|block| block.decided.len()).sum::<usize>();
    // Whatever a capability is judged on: once on each environment, or on the one scope of its kind.
    assert!(asked >= blocks * 108, "{asked} decisions");
    golden.assert_eq(&text(&pack, &answered, &capabilities));
}

async fn ask(world: &World, ground: &Ground, capabilities: &[Capability], pack: &Pack, holding: Holding) -> Block {
    let holder = world.holder(pack, &holding, ground).await;
    let seen = seen(&holder, ground, capabilities).await;
    let bound = holding.roles.first().map(|(_, bound)| *bound);
    let unseen = bound.filter(|bound| !seen.contains_key(&(*bound, bound.view())));
    let decided = decided(world, &holder, ground, capabilities, unseen).await;
    Block { holding, seen, decided }
}

/// What the holder is told: every capability, wherever the holder may look.
async fn seen(holder: &Client, ground: &Ground, capabilities: &[Capability]) -> Answers {
    let places = Place::JUDGED.into_iter().filter(|place| *place != Place::Console).collect::<Vec<_>>();
    let ids: Vec<&str> = places.iter().map(|place| ground.ids[place].as_str()).collect();
    let names: Vec<&str> = capabilities.iter().map(|capability| capability.name.as_str()).collect();
    let data = holder.ok(VIEWER_CAN, json!({ "ids": ids, "capabilities": names })).await;
    let nodes = data["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), places.len());
    let console = holder.query(CONSOLE, json!({ "capabilities": names })).await;
    let told = console.errors.is_empty().then_some((Place::Console, &console.data["console"]));
    assert!(told.is_some() || console.clone().refusal().code == "NOT_FOUND", "{console:?}");
    let mut answers = Answers::new();
    for (place, node) in places.into_iter().zip(nodes).filter(|(_, node)| !node.is_null()).chain(told) {
        let told = node["viewerCan"].as_array().unwrap();
        assert_eq!(told.len(), names.len());
        for (answer, name) in told.iter().zip(&names) {
            assert_eq!(answer["capability"], **name);
            answers.insert((place, (*name).to_owned()), answer["allowed"].as_bool().unwrap());
        }
    }
    answers
}

/// What somebody who may know is told: every capability where it is judged, and everything where the role gives something that
/// the holder cannot look at.
async fn decided(
    world: &World,
    holder: &Client,
    ground: &Ground,
    capabilities: &[Capability],
    unseen: Option<Place>,
) -> Answers {
    let places = SHOWN.into_iter().map(|(place, _)| place);
    let questions: Vec<(Place, &str)> = places
        .flat_map(|place| capabilities.iter().map(move |capability| (place, capability)))
        .filter(|(place, capability)| place.level() == capability.on || Some(*place) == unseen)
        .map(|(place, capability)| (place, capability.name.as_str()))
        .collect();
    let mut answers = Answers::new();
    for part in questions.chunks(QUESTIONS) {
        let mut document = String::from("query($subject: String!) {");
        for (number, (place, capability)) in part.iter().enumerate() {
            let resource = &ground.ids[place];
            write!(document, " q{number}: accessDecision(subject: $subject, capability: \"{capability}\", ").unwrap();
            write!(document, "resource: \"{resource}\") {{ allowed }}").unwrap();
        }
        document.push('}');
        let data: Value = world.root.ok(&document, json!({ "subject": holder.account.id })).await;
        for (number, (place, capability)) in part.iter().enumerate() {
            let allowed = data[format!("q{number}")]["allowed"].as_bool().unwrap();
            answers.insert((*place, (*capability).to_owned()), allowed);
        }
    }
    answers
}

impl Block {
    /// How many answers there are about a cell; those that are not as the packs say are put into words.
    fn compare(&self, pack: &Pack, place: Place, capability: &Capability, differing: &mut Vec<String>) -> usize {
        let key = (place, capability.name.clone());
        let expected = pack.gives(&self.holding, &capability.name, place);
        let views = pack.gives(&self.holding, &place.view(), place);
        let (seen, decided) = (self.seen.get(&key).copied(), self.decided.get(&key).copied());
        let cell = format!("{}, {}: `{}` on {}", pack.name, self.holding.words(), capability.name, place.words());
        let may = |allowed: bool| if allowed { "is given" } else { "is not given" };
        for (asked, told) in [("viewerCan", seen), ("accessDecision", decided)] {
            if let Some(told) = told.filter(|told| *told != expected) {
                differing.push(format!("{cell} {}, but {asked} says it {}", may(expected), may(told)));
            }
        }
        if seen.is_some() != views {
            let (should, does) = if views { ("may", "not shown") } else { ("may not", "shown") };
            differing.push(format!("{cell}: the holder {should} view it, and it is {does}"));
        }
        usize::from(seen.is_some()) + usize::from(decided.is_some())
    }

    /// The mark of a cell: only where it means something, at the capability's own kind of scope and above.
    fn mark(&self, place: Place, mark: &'static str, capability: &Capability) -> &'static str {
        let key = (place, capability.name.clone());
        let told = self.decided.get(&key).or_else(|| self.seen.get(&key)).copied().unwrap_or_default();
        if told && spans(place, &capability.on) { mark } else { "." }
    }
}

/// Whether scopes of the kind can be the place, or lie below it.
fn spans(place: Place, kind: &str) -> bool {
    let mut below = Place::BOUND.into_iter().filter(|below| below.lineage().contains(&place));
    below.any(|below| below.level() == kind)
}

/// One block for each role and place that it gives something at, one line for each capability that it gives.
fn text(pack: &Pack, blocks: &[Block], capabilities: &[Capability]) -> String {
    let mut text = format!(
        "What the roles of the pack `{}` give, as the API answers. `UPDATE_EXPECT=1 cargo test --test it policy::matrix`\n\
         writes it anew; read the difference before you keep it.\n\n\
         C console, T team, O organization, P project, E+ production environment, E- other environment. A mark on a scope\n\
         above the kind on which a capability is judged means: on everything of that kind below. What is not listed is\n\
         not given.\n",
        pack.name
    );
    let mut areas: Vec<&str> = capabilities.iter().map(|capability| capability.area.as_str()).collect();
    areas.sort_unstable();
    areas.dedup();
    for block in blocks {
        text.push('\n');
        let mut given = 0;
        let mut lines = String::new();
        for area in &areas {
            let mut shown = *area;
            for capability in capabilities.iter().filter(|capability| capability.area == *area) {
                let marks = SHOWN.map(|(place, mark)| block.mark(place, mark, capability));
                if marks.iter().any(|mark| *mark != ".") {
                    let marks = marks.map(|mark| format!("{mark:<3}")).concat();
                    writeln!(lines, "  {shown:<13}{:<29}{}", capability.name, marks.trim_end()).unwrap();
                    (shown, given) = ("", given + 1);
                }
            }
        }
        for (role, bound) in &block.holding.roles {
            let gives = match given {
                0 => "nothing".to_owned(),
                1 => "1 capability".to_owned(),
                more => format!("{more} capabilities"),
            };
            writeln!(text, "{role} bound on {} gives {gives}", bound.words()).unwrap();
        }
        text.push_str(&lines);
    }
    text
}
