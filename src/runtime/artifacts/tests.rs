//! What the artifact store must withstand: wrong, long, short, broken and abandoned uploads, and hostile ids.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use futures_util::{FutureExt as _, stream};

use super::*;

type Chunk = Result<Bytes, &'static str>;

fn store() -> (tempfile::TempDir, Artifacts) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::new(folder.path());
    (folder, artifacts)
}

fn chunks(parts: &[&'static str]) -> impl Stream<Item = Chunk> + use<> {
    stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect::<Vec<Chunk>>())
}

fn left_over(folder: &tempfile::TempDir) -> usize {
    fs::read_dir(folder.path().join("incoming")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_file_is_kept_once_and_for_its_own_project_only() {
    let (folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    assert!(!artifacts.has("prj_1", &digest).await.unwrap());
    artifacts.receive("prj_1", &digest, 5, chunks(&["he", "", "llo"])).await.unwrap();
    assert_eq!(fs::read(artifacts.path("prj_1", &digest).unwrap()).unwrap(), b"hello");
    assert!(artifacts.has("prj_1", &digest).await.unwrap());
    assert!(!artifacts.has("prj_2", &digest).await.unwrap());
    let never = stream::poll_fn(|_| -> std::task::Poll<Option<Chunk>> { unreachable!("it is there already") });
    artifacts.receive("prj_1", &digest, 5, never).await.unwrap();
    let lie = artifacts.receive("prj_1", &digest, 4, chunks(&["hello"])).await;
    assert!(matches!(lie, Err(ReceiveError::TooLarge)));
    let empty = Digest::of(b"");
    artifacts.receive("prj_1", &empty, 0, chunks(&[])).await.unwrap();
    assert!(artifacts.verify("prj_1", &empty).await.unwrap());
    assert_eq!(left_over(&folder), 0);
}

#[tokio::test]
async fn a_wrong_file_is_refused_and_leaves_nothing() {
    let (folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    let wrong = artifacts.receive("prj_1", &digest, 5, chunks(&["hullo"])).await.unwrap_err();
    assert!(matches!(wrong, ReceiveError::DigestMismatch { actual } if actual == Digest::of(b"hullo")));
    let short = artifacts.receive("prj_1", &digest, 5, chunks(&["hell"])).await;
    assert!(matches!(short, Err(ReceiveError::TooShort)));
    let endless = stream::repeat_with(|| Chunk::Ok(Bytes::from_static(b"hello")));
    let long = artifacts.receive("prj_1", &digest, 12, endless).await;
    assert!(matches!(long, Err(ReceiveError::TooLarge)));
    let broken = stream::iter([Chunk::Ok(Bytes::from_static(b"he")), Err("reset")]);
    let broken = artifacts.receive("prj_1", &digest, 5, broken).await;
    assert!(matches!(broken, Err(ReceiveError::Body(reason)) if reason == "reset"));
    assert!(!artifacts.has("prj_1", &digest).await.unwrap());
    assert_eq!(left_over(&folder), 0);
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    let (folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    let stalled = stream::iter([Chunk::Ok(Bytes::from_static(b"he"))]).chain(stream::pending());
    let receiving = artifacts.receive("prj_1", &digest, 5, stalled);
    let cut = tokio::time::timeout(Duration::from_millis(100), receiving).await;
    assert!(cut.is_err());
    assert_eq!(left_over(&folder), 0);
    let mut first_poll = Box::pin(artifacts.receive("prj_1", &digest, 5, stream::pending::<Chunk>()));
    assert!(first_poll.as_mut().now_or_never().is_none());
    drop(first_poll);
    assert_eq!(left_over(&folder), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_send_the_same_file_at_once() {
    let (folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let artifacts = artifacts.clone();
            tokio::spawn(async move { artifacts.receive("prj_1", &digest, 5, chunks(&["hel", "lo"])).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(artifacts.verify("prj_1", &digest).await.unwrap());
    assert_eq!(left_over(&folder), 0);
}

#[tokio::test]
async fn hostile_project_ids_reach_no_path() {
    let (_folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    for bad in ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "a\0", "a b", "\u{e9}", &"a".repeat(65)] {
        assert!(artifacts.path(bad, &digest).is_err(), "{bad:?}");
        assert!(artifacts.remove_project(bad).await.is_err(), "{bad:?}");
        let refused = artifacts.receive(bad, &digest, 5, chunks(&["hello"])).await;
        assert!(matches!(refused, Err(ReceiveError::Io(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let (_folder, artifacts) = store();
    let digest = Digest::of(b"hello");
    assert!(!artifacts.verify("prj_1", &digest).await.unwrap());
    artifacts.receive("prj_1", &digest, 5, chunks(&["hello"])).await.unwrap();
    assert!(artifacts.verify("prj_1", &digest).await.unwrap());
    fs::write(artifacts.path("prj_1", &digest).unwrap(), "hullo").unwrap();
    assert!(!artifacts.verify("prj_1", &digest).await.unwrap());
}

#[tokio::test]
async fn removing_is_fine_twice_and_spares_other_projects() {
    let (_folder, artifacts) = store();
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    for project in ["prj_1", "prj_2"] {
        artifacts.receive(project, &one, 3, chunks(&["one"])).await.unwrap();
        artifacts.receive(project, &two, 3, chunks(&["two"])).await.unwrap();
    }
    for _ in 0..2 {
        artifacts.remove("prj_1", &one).await.unwrap();
    }
    assert!(artifacts.has("prj_1", &two).await.unwrap());
    for _ in 0..2 {
        artifacts.remove_project("prj_1").await.unwrap();
    }
    assert!(!artifacts.has("prj_1", &two).await.unwrap());
    assert!(artifacts.has("prj_2", &one).await.unwrap());
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_when_they_are_old() {
    let (folder, artifacts) = store();
    assert_eq!(artifacts.remove_stale(Duration::ZERO).await.unwrap(), 0);
    fs::create_dir(folder.path().join("incoming")).unwrap();
    fs::write(folder.path().join("incoming/x"), "half").unwrap();
    assert_eq!(artifacts.remove_stale(Duration::from_secs(3600)).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(artifacts.remove_stale(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(left_over(&folder), 0);
}
