"""Objects, campaigns and terms on a real S3 endpoint: races have one winner, readers see whole things."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from conf import Settings
from embedded.faulty_s3 import Fault, FaultyS3
from embedded.servers import EmbeddedServers
from pipelines.edges.audience import AudiencePointer, NoAudienceError, Snapshot
from pipelines.edges.campaign_store import CampaignStore, MissingBundleError
from pipelines.edges.manifests import Manifest, ManifestStore
from pipelines.edges.objects import ObjectStore, StorageError
from pipelines.edges.progress import FencedError
from pipelines.edges.terms import Term
from tests.at_once import at_once
from tests.builders import NOW, make_campaign

ROUNDS = 20


@pytest.fixture
def objects(settings: Settings) -> ObjectStore:
    return ObjectStore(settings.lake)


def test_of_two_creators_one_wins_and_its_content_stays(settings: Settings) -> None:
    one, two = ObjectStore(settings.lake), ObjectStore(settings.lake)
    for number in range(ROUNDS):
        name = f"race/{number}"
        won = at_once(partial(one.create, name, b"one"), partial(two.create, name, b"two"))
        assert sorted(won) == [False, True]
        assert one.read(name) == (b"one" if won[0] else b"two")


def test_write_read_list_delete(objects: ObjectStore) -> None:
    assert objects.read("a") is None
    assert objects.read_json("a") is None
    objects.write("a/2", b"\x00\xff")
    objects.write("a/2", b"again")
    objects.write_json("a/1", {"b": "é"})
    assert objects.read("a/2") == b"again"
    assert objects.read_json("a/1") == {"b": "é"}
    assert [item.name for item in objects.list("a/")] == ["a/1", "a/2"]
    before = {item.name: item.etag for item in objects.list("a/")}
    objects.write("a/2", b"other")
    assert {i.name: i.etag for i in objects.list("a/")}["a/2"] != before["a/2"]
    objects.delete("a/2")
    objects.delete("never there")
    assert [item.name for item in objects.list("")] == ["a/1"]


def test_a_retry_that_meets_its_own_success_is_one(settings: Settings, servers: EmbeddedServers) -> None:
    answers = iter([Fault(lose_reply=True)])

    def lose_first_put(method: str, _path: str, _headers: Any) -> Fault | None:
        return next(answers, None) if method == "PUT" else None

    with FaultyS3(servers.s3.endpoint_url, lose_first_put) as door:
        lake = settings.lake.model_copy(update={"endpoint_url": door.endpoint_url})
        behind = ObjectStore(lake)
        assert behind.create("manifest", b"ours")
        assert not behind.create("manifest", b"theirs")
        assert behind.read("manifest") == b"ours"


def test_a_conflict_is_tried_again_and_named_when_it_stays(
    settings: Settings, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.edges.objects._CONFLICT_PAUSE_S", 0.0)
    conflict = Fault(status=409, error_code="ConditionalRequestConflict")
    answers = iter([conflict, conflict])

    def conflict_twice(method: str, _path: str, _headers: Any) -> Fault | None:
        return next(answers, None) if method == "PUT" else None

    with FaultyS3(servers.s3.endpoint_url, conflict_twice) as door:
        behind = ObjectStore(settings.lake.model_copy(update={"endpoint_url": door.endpoint_url}))
        # Nobody else has created it: to take the conflict for that would leave everybody without it.
        assert behind.create("manifest", b"ours")
        door.rule = lambda *_: conflict
        with pytest.raises(StorageError, match="cannot create 'other'"):
            behind.create("other", b"ours")


def test_an_endpoint_that_refuses_is_one_line_that_names_the_object(
    settings: Settings, servers: EmbeddedServers
) -> None:
    with FaultyS3(servers.s3.endpoint_url, lambda *_: Fault(status=403, error_code="AccessDenied")) as door:
        behind = ObjectStore(settings.lake.model_copy(update={"endpoint_url": door.endpoint_url}))
        calls: list[tuple[str, Callable[[], object]]] = [
            ("read 'x'", lambda: behind.read("x")),
            ("write 'x'", lambda: behind.write("x", b"")),
            ("create 'x'", lambda: behind.create("x", b"")),
            ("list 'x'", lambda: behind.list("x")),
            ("delete 'x'", lambda: behind.delete("x")),
        ]
        for what, call in calls:
            with pytest.raises(
                StorageError, match=f"^cannot {what} in .*AccessDenied.* Check lake.root"
            ) as caught:
                call()
            assert "\n" not in str(caught.value)


def test_a_published_campaign_is_picked_up_and_its_bundle_is_there_first(
    settings: Settings, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = CampaignStore(ObjectStore(settings.lake)), CampaignStore(objects)
    assert reader.active_digests() == {}
    first, second = make_campaign(), make_campaign(name="Welcome back")
    written: list[str] = []

    def noting(call: Callable[[str, bytes], Any]) -> Callable[[str, bytes], Any]:
        def note(name: str, content: bytes) -> Any:
            written.append(name)
            return call(name, content)

        return note

    monkeypatch.setattr(objects, "write", noting(objects.write))
    monkeypatch.setattr(objects, "create", noting(objects.create))
    digest = writer.publish(first)
    assert written == [f"campaigns/bundles/{digest}.json", "campaigns/active/welcome.json"]
    assert reader.active_digests() == {"welcome": digest}
    assert reader.load(digest) == first
    newer = writer.publish(second)
    assert newer != digest
    assert reader.active_digests() == {"welcome": newer}
    # The version that an unfinished unit pinned stays readable, also for a store that never met it.
    assert CampaignStore(objects).load(digest) == first
    assert writer.publish(second) == newer
    assert writer.publish(make_campaign(campaign_id="other")) in reader.active_digests().values()
    assert sorted(reader.active_digests()) == ["other", "welcome"]


def test_a_pointer_is_read_once_for_each_content(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CampaignStore(objects)
    store.publish(make_campaign())
    store.active_digests()
    monkeypatch.setattr(objects, "read", lambda _name: pytest.fail("read again"))
    assert list(store.active_digests()) == ["welcome"]


def test_a_bundle_that_is_gone_is_named(objects: ObjectStore) -> None:
    digest = CampaignStore(objects).publish(make_campaign())
    objects.delete(f"campaigns/bundles/{digest}.json")
    with pytest.raises(MissingBundleError, match=f"campaign version {digest} is not in the lake"):
        CampaignStore(objects).load(digest)


def test_the_pointer_to_the_audience(objects: ObjectStore) -> None:
    pointer = AudiencePointer(objects)
    assert pointer.find() is None
    with pytest.raises(NoAudienceError, match="build_audience"):
        pointer.read()
    snapshot = Snapshot(3, NOW.isoformat(), 10, "s3a://raw/customers")
    pointer.promote(snapshot)
    assert pointer.read() == snapshot
    pointer.promote(Snapshot(4, NOW.isoformat(), 12, "s3a://raw/customers"))
    assert pointer.read().version == 4


def manifest(**changes: Any) -> Manifest:
    fixed: dict[str, Any] = {
        "pipeline": "triggered",
        "unit": 1,
        "clock": NOW.isoformat(),
        "audience_version": 1,
    }
    fixed |= {"audience_as_of": NOW.isoformat(), "consents_version": 0, "ledger_version": 0}
    return Manifest(**(fixed | {"send_partitions": 2, "campaigns": {"welcome": "digest-1"}} | changes))


def test_a_manifest_is_pinned_once_whoever_asks(settings: Settings, objects: ObjectStore) -> None:
    store, rival = ManifestStore(objects), ManifestStore(ObjectStore(settings.lake))
    for unit in range(ROUNDS):
        made = [partial(manifest, unit=unit, audience_version=version) for version in (1, 2)]
        pinned = at_once(partial(store.pin, "life", unit, made[0]), partial(rival.pin, "life", unit, made[1]))
        assert sorted(is_new for _, is_new in pinned) == [False, True]
        assert pinned[0][0] == pinned[1][0] == store.find("life", unit)
    again, is_new = store.pin("life", 0, lambda: pytest.fail("made again"))
    assert (again, is_new) == (store.find("life", 0), False)
    assert store.find("life", ROUNDS) is None
    assert (again.decided_at, again.as_of) == (NOW, NOW)


def test_results_are_those_of_finished_units_in_their_order(objects: ObjectStore) -> None:
    store = ManifestStore(objects)
    store.pin("life", 0, manifest)
    assert store.result("life", 0) is None
    for unit in (10, 9, 100):
        store.finish("life", unit, {"unit": unit})
    store.finish("life", 9, {"unit": 9})
    assert store.result("life", 9) == {"unit": 9}
    assert [result["unit"] for result in store.results()] == [9, 10, 100]


def test_terms_count_up_and_an_older_driver_is_told(settings: Settings, objects: ObjectStore) -> None:
    first = Term(objects, "triggered", "driver-1")
    other = Term(objects, "other", "driver-1")
    first.check()
    second = Term(ObjectStore(settings.lake), "triggered", "driver-2")
    assert (first.number, second.number, other.number) == (1, 2, 1)
    second.check()
    other.check()
    with pytest.raises(FencedError, match="pipeline 'triggered' was taken over by a younger driver"):
        first.check()
    assert [item.name for item in objects.list("terms/triggered/")] == ["terms/triggered/000000000002"]


def test_drivers_that_start_at_once_hold_different_terms(settings: Settings) -> None:
    stores = [ObjectStore(settings.lake) for _ in range(4)]
    for number in range(ROUNDS // 2):
        terms = at_once(
            *[lambda s=s, i=i, n=number: Term(s, f"race-{n}", f"driver-{i}") for i, s in enumerate(stores)]
        )
        numbers = [term.number for term in terms]
        assert len(set(numbers)) == len(numbers)
        for term in terms:
            if term.number == max(numbers):
                term.check()
            else:
                with pytest.raises(FencedError):
                    term.check()
