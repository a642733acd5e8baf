//! A standby that takes over when the primary dies.

use std::time::Duration;

use crate::nodes::{World, seed};
use crate::support::postgres::Cluster;
use crate::support::wait::eventually;

/// How long the nodes may take to find the new primary.
const SWITCHED: Duration = Duration::from_secs(30);
/// How long anything may take that nothing hinders.
const SOON: Duration = Duration::from_secs(60);
/// Posts before and after: enough that some are under way.
const SOME: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_has_all_that_was_acknowledged() {
    let primary = Cluster::start();
    let standby = primary.standby();
    let hosts = format!("{},{}", primary.address(), standby.address());
    let url = format!("postgres://stagepost@{hosts}/postgres?target_session_attrs=read-write");
    let (world, nodes) = World::start(&url, 2, seed()).await;
    let acknowledged = async |posts: u64| (world.load.acknowledged() >= posts).then_some(());
    eventually("posts are acknowledged", SOON, async || acknowledged(SOME).await).await;

    primary.kill9();
    let before = world.load.acknowledged();
    standby.promote();
    eventually("the new primary takes posts", SWITCHED, async || acknowledged(before + 1).await).await;
    eventually("posts are acknowledged", SOON, async || acknowledged(before + SOME).await).await;
    world.judge(nodes[0].api()).await;
}
