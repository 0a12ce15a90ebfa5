//! Shared data and a queue between the workers of one proxy.

use mandate_harness::{Request, SharedData, Vm};

use crate::{guest, messages};

fn header(vm: &mut Vm, path: &str, name: &str) -> String {
    let exchange = vm.send(Request::get(path)).unwrap();
    exchange.outcome.forwarded().unwrap().headers.text(name).unwrap().to_owned()
}

#[test]
fn workers_count_together_and_one_reads_what_all_of_them_queue() {
    let shared = SharedData::new();
    let mut reader = guest("shared").configuration("reader").shared_data(shared.clone()).start().unwrap();
    let mut writer = guest("shared").shared_data(shared.clone()).start().unwrap();
    assert_eq!(header(&mut reader, "/a", "x-count"), "1");
    assert_eq!(header(&mut writer, "/b", "x-count"), "2");
    assert_eq!(header(&mut reader, "/c", "x-count"), "3");
    assert_eq!(shared.get("count").unwrap().0, 3_u32.to_le_bytes());
    assert_eq!(shared.queue("paths").unwrap(), [b"/a", b"/b", b"/c"]);

    assert_eq!(writer.announce_queues().unwrap(), 0, "the queue is the reader's");
    assert_eq!(reader.announce_queues().unwrap(), 3);
    let said = ["someone asked for /a", "someone asked for /b", "someone asked for /c"];
    assert_eq!(messages(&reader), said);
    assert_eq!(reader.announce_queues().unwrap(), 0);
    assert_eq!(shared.queue("paths"), Some(Vec::new()));

    shared.enqueue("paths", "/d").unwrap();
    assert_eq!(reader.announce_queues().unwrap(), 1);
    assert_eq!(messages(&reader).last(), Some(&"someone asked for /d"));
}

#[test]
fn virtual_machines_of_another_id_share_nothing() {
    let shared = SharedData::new();
    let mut one =
        guest("shared").configuration("reader").shared_data(shared.clone()).vm_id("one").start().unwrap();
    let mut two = guest("shared").vm_id("two").shared_data(shared.clone()).start().unwrap();
    assert_eq!(header(&mut one, "/", "x-count"), "1");
    assert_eq!(header(&mut two, "/", "x-count"), "1");
    assert_eq!(header(&mut two, "/", "x-queued"), "None");
    assert!(shared.get("count").is_none() && shared.of_vm_id("one").get("count").is_some());
    assert!(shared.of_vm_id("two").enqueue("paths", "").is_err());
}

#[test]
fn a_queue_and_its_data_outlive_the_worker() {
    let mut vm = guest("shared").configuration("reader").start().unwrap();
    vm.send(Request::get("/before")).unwrap();
    vm.reload().unwrap();
    assert_eq!(header(&mut vm, "/after", "x-count"), "2");
    assert_eq!(vm.announce_queues().unwrap(), 2);
    assert_eq!(messages(&vm), ["someone asked for /before", "someone asked for /after"]);
}
