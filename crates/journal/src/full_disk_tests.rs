//! A disk that is really full, if one can be mounted, else a simulated one.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{AppendError, Disk, Journal, Options, os::OsDisk, sim::SimDisk};

const CAPACITY: u64 = 4 << 20;

struct Mount(tempfile::TempDir);

impl Mount {
    fn tmpfs() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={CAPACITY}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        mount
            .is_ok_and(|mount| mount.status.success())
            .then(|| Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn small_disk() -> (Option<Mount>, Arc<dyn Disk>) {
    let mount = Mount::tmpfs();
    let disk: Arc<dyn Disk> = match &mount {
        Some(mount) => Arc::new(OsDisk::new(mount.path())),
        None => {
            let disk = SimDisk::new(1);
            disk.set_capacity(CAPACITY);
            Arc::new(disk)
        }
    };
    (mount, disk)
}

#[tokio::test]
async fn a_full_disk_refuses_appends_while_readers_make_progress_and_then_resumes() {
    let (_mount, disk) = small_disk();
    let options = Options {
        segment_bytes: 256 << 10,
        reserve_bytes: 512 << 10,
        reserve_retry: Duration::from_millis(1),
        ..Options::default()
    };
    let journal = Journal::open_on(Arc::clone(&disk), options.clone())
        .await
        .unwrap();
    let mut reader = journal.reader("sink").await.unwrap();
    let mut written = Vec::new();
    for round in 0..3u8 {
        let error = loop {
            match journal.append(&[&[round; 10_000]]).await {
                Ok(position) => written.push(position),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AppendError::DiskFull), "{error}");
        // Fill what a smaller record could still take, and then some of the reserve.
        while journal
            .append(&[&[round; 100]])
            .await
            .map(|position| written.push(position))
            .is_ok()
        {}
        for plan in 0..20 {
            journal
                .state()
                .put(&format!("plan-{plan}"), vec![round; 10_000])
                .await
                .unwrap();
        }
        assert!(matches!(
            journal.append(&[b"x"]).await,
            Err(AppendError::DiskFull)
        ));
        let batch = reader.next(usize::MAX, usize::MAX).await.unwrap();
        let positions: Vec<_> = batch.iter().map(|record| record.position).collect();
        assert_eq!(positions, written);
        reader.commit(batch.last().unwrap().end).await.unwrap();
        written.clear();
        tokio::time::sleep(Duration::from_millis(2)).await;
        written.push(journal.append(&[&[round; 100]]).await.unwrap());
    }
    // And it opens on a disk that is full.
    while journal
        .append(&[&[9; 100]])
        .await
        .map(|position| written.push(position))
        .is_ok()
    {}
    journal.state().put("plan", vec![9; 300_000]).await.unwrap();
    drop(reader);
    journal.close().await;
    let journal = Journal::open_on(disk, options).await.unwrap();
    let mut reader = journal.reader("sink").await.unwrap();
    assert_eq!(
        reader.next(usize::MAX, usize::MAX).await.unwrap().len(),
        written.len()
    );
}

#[tokio::test]
async fn a_segment_that_fills_the_disk_beside_the_reserve_makes_room_once_it_is_read() {
    let (_mount, disk) = small_disk();
    // Segments are larger than the disk.
    let options = Options {
        reserve_bytes: 512 << 10,
        reserve_retry: Duration::from_millis(1),
        ..Options::default()
    };
    let journal = Journal::open_on(disk, options).await.unwrap();
    let mut reader = journal.reader("sink").await.unwrap();
    journal.append(&[&vec![1; 3 << 20]]).await.unwrap();
    // One segment to the last page, so that not even an empty one fits beside it.
    while journal.append(&[&[1; 100]]).await.is_ok() {}
    let read = async {
        loop {
            let batch = reader.next(usize::MAX, usize::MAX).await.unwrap();
            reader.commit(batch.last().unwrap().end).await.unwrap();
        }
    };
    let append = async { while journal.append(&[&[2; 10_000]]).await.is_err() {} };
    tokio::select! {
        () = read => {}
        appended = timeout(Duration::from_secs(60), append) => appended.expect("room"),
    }
}
