//! The disk: a project's storage is as large as its tier gives it, and nobody else's becomes smaller.

use super::world::{World, run};

/// Bytes that are free on the disk of a folder.
fn free(folder: &std::path::Path) -> u64 {
    let asked = std::process::Command::new("df").args(["-B1", "--output=avail"]).arg(folder).output().unwrap();
    String::from_utf8(asked.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_disk_filler_fills_its_own_storage() {
    let Some(world) = World::new().await else { return };
    let before = free(world.data.path());
    // Space that is taken without being written to: the whole of it, at once.
    let fill = r#"
import os
taken = 0
for number in range(100):
    file = os.open(f"/storage/fill{number}", os.O_CREAT | os.O_WRONLY)
    try:
        os.posix_fallocate(file, 0, 100 << 20)
        taken += 100
    except OSError as error:
        print(error.errno, taken >= 4000 and taken <= 5120)
        break
"#;
    assert_eq!(world.attempt(fill).await.out, "28 True\n");
    let small = world.attempt(
        "open('/storage/fill0', 'r+b').write(bytes(1 << 20)); open('/storage/x', 'wb').write(bytes(200 << 20))",
    );
    assert!(small.await.err.contains("No space left on device"));
    // Files without end fill it as well, however empty they are.
    let files = r#"
import os
made = 0
try:
    while made < 2000000:
        os.close(os.open(f"/tmp/{made}", os.O_CREAT | os.O_WRONLY))
        made += 1
except OSError as error:
    print(error.errno, made <= 65536)
"#;
    assert_eq!(world.attempt(files).await.out, "28 True\n");
    assert!(before.saturating_sub(free(world.data.path())) < 2 << 30, "the machine's disk was filled");
    let other = run(&world.server, &world.vera, "print(open('/storage/hers', 'wb').write(bytes(10 << 20)))").await;
    assert_eq!(other.unwrap().out, "10485760\n");
    world.nobody_was_hurt().await;
}
