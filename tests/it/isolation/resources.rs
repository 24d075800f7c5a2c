//! Memory and processors: who takes more than the tier gives gets no more.

use super::world::World;

#[tokio::test]
async fn a_memory_hog_is_killed_alone() {
    let Some(world) = World::new().await else { return };
    let hog = "hoard = []\nwhile True: hoard.append(bytearray(16 << 20))";
    let attempt = world.attempt(hog).await;
    assert_eq!(attempt.code, -9, "{attempt:?}");
    // Files in memory count as well, and are no way around.
    let fill = "
import os
for folder in ['/tmp', '/dev/shm']:
    try:
        with open(folder + '/fill', 'wb') as file:
            while True: file.write(bytes(1 << 20))
    except OSError as error:
        print(folder, error.errno, os.stat(folder + '/fill').st_size >> 20)
";
    assert_eq!(world.attempt(fill).await.out, "/tmp 28 64\n/dev/shm 28 64\n");
    world.nobody_was_hurt().await;
}

#[tokio::test]
async fn busy_loops_get_what_the_tier_gives() {
    let Some(world) = World::new().await else { return };
    let busy = "
import os, resource, time
began, children = time.monotonic(), []
for _ in range(4):
    child = os.fork()
    if child == 0:
        while time.monotonic() < began + 3: pass
        os._exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) / (time.monotonic() - began))
";
    let attempt = world.attempt(busy).await;
    let share: f64 = attempt.out.trim().parse().unwrap_or_else(|_| panic!("{attempt:?}"));
    assert!(share < 0.4, "{share} processors, of a quarter");
    world.nobody_was_hurt().await;
}
