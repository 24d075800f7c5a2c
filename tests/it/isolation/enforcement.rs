//! What a machine cannot enforce is said, and refused in production.

use super::world::started;

#[tokio::test]
async fn a_server_without_walls_says_what_is_missing_and_refuses_production() {
    assert_eq!(started(&["--isolation", "none"], &[]).await, Ok(()));
    for (arguments, variables) in [
        (&["--isolation", "none", "--production"][..], &[][..]),
        (&["--production"][..], &[("REEVE_ISOLATION", "none")][..]),
        (&["--isolation", "none"][..], &[("REEVE_PRODUCTION", "true")][..]),
    ] {
        let said = started(arguments, variables).await.unwrap_err();
        for missing in [
            "programs cannot be isolated here as production needs it",
            "programs run as the server's user",
            "no limits on cpu, memory, processes or storage",
            "programs see the server's files and network",
        ] {
            assert!(said.contains(missing), "{missing} is not in {said}");
        }
    }
}
