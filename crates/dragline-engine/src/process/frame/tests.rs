//! Feeds whole, split, damaged and arbitrary bytes to the reader of frames.

use dragline_core::chance::Chance;

use super::*;

/// Each has a seed of its own, which a failure names.
const SEEDS: u64 = 4_000;

fn header(kind: Kind, sizes: [usize; 4]) -> Header {
    let [name_bytes, head_bytes, body_bytes, answer_bytes_max] = sizes;
    Header { kind, id: 7, name_bytes, head_bytes, body_bytes, answer_bytes_max }
}

/// Feeds bytes in pieces of a length each; returns the frames in their order.
fn feed(
    reader: &mut FrameReader,
    mut bytes: &[u8],
    mut piece: impl FnMut() -> usize,
) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let room = reader.room();
        assert!(!room.is_empty(), "there is always room");
        let count = piece().clamp(1, room.len().min(bytes.len()));
        let (now, later) = bytes.split_at(count);
        room[..count].copy_from_slice(now);
        bytes = later;
        frames.extend(reader.came(count)?);
    }
    Ok(frames)
}

fn call(name: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let header = header(Kind::Call, [name.len(), head.len(), body.len(), 10]);
    [&header.encode(), name.as_bytes(), head.as_bytes(), body].concat()
}

#[test]
fn frames_come_out_as_they_went_in_however_they_are_split() {
    let large = vec![b'x'; 3 * ROOM_BYTES + 1];
    let calls: [(&str, &str, &[u8]); 4] =
        [("title", "{}", b"body"), ("a", "", b""), ("", "1", b"b"), ("links", "[1]", &large)];
    let bytes: Vec<u8> = calls.iter().flat_map(|(name, head, body)| call(name, head, body)).collect();
    for piece in [1, 2, 27, 28, 29, 1000, usize::MAX] {
        let frames = feed(&mut FrameReader::of_parent(), &bytes, || piece).unwrap();
        assert_eq!(frames.len(), calls.len());
        for (frame, (name, head, body)) in frames.iter().zip(calls) {
            assert_eq!((frame.name(), frame.head()), (name.as_bytes(), head.as_bytes()));
            assert_eq!((frame.body(), frame.header.id, frame.header.answer_bytes_max), (body, 7, 10));
        }
    }
}

#[test]
fn each_end_takes_what_the_other_sends_and_no_more_than_its_bound() {
    let of_child = FrameReader::of_child(100).sender;
    let check = |sender: Sender, kind: Kind, sizes: [usize; 4], expected: Result<(), FrameError>| {
        let read = Header::parse(&header(kind, sizes).encode(), sender).map(drop);
        assert_eq!(read, expected, "{kind:?} {sizes:?}");
    };
    let most = [NAME_BYTES_MAX, HEAD_BYTES_MAX, BODY_BYTES_MAX, ANSWER_BYTES_MAX];
    check(Sender::Parent, Kind::Call, most, Ok(()));
    for larger in 0..most.len() {
        let mut sizes = most;
        sizes[larger] += 1;
        check(Sender::Parent, Kind::Call, sizes, Err(FrameError::Size));
    }
    let heads = [
        (Kind::Hello, HELLO_BYTES_MAX),
        (Kind::Value, 100),
        (Kind::Failed, TEXT_BYTES_MAX),
        (Kind::Panicked, TEXT_BYTES_MAX),
        (Kind::TooLarge, 0),
    ];
    for (kind, bytes_max) in heads {
        check(of_child, kind, [0, bytes_max, 0, 0], Ok(()));
        check(of_child, kind, [0, bytes_max + 1, 0, 0], Err(FrameError::Size));
        check(of_child, kind, [0, 0, 1, 0], Err(FrameError::Size));
        check(Sender::Parent, kind, [0; 4], Err(FrameError::Kind(kind.byte())));
    }
    check(of_child, Kind::Call, [0; 4], Err(FrameError::Kind(b'C')));
}

#[test]
fn what_is_no_frame_is_told_by_its_first_bytes() {
    let check = |bytes: &[u8], expected: FrameError, text: &str| {
        let error = feed(&mut FrameReader::of_parent(), bytes, || usize::MAX).unwrap_err();
        assert_eq!((error, error.to_string().as_str()), (expected, text));
    };
    check(b"running 1 test", FrameError::Magic, "no frame");
    check(b"\xd7X", FrameError::Magic, "no frame");
    let mut bytes = call("a", "{}", b"");
    bytes[4] = 9;
    check(&bytes, FrameError::Version(9), "version 9, where 1 is due");
    bytes[4..6].copy_from_slice(&[VERSION, b'\n']);
    check(&bytes, FrameError::Kind(b'\n'), r"a frame of kind '\n', which is not due");
}

#[test]
fn memory_grows_with_what_came() {
    let mut reader = FrameReader::of_parent();
    let frame = header(Kind::Call, [1, 1, BODY_BYTES_MAX, 0]).encode();
    assert!(feed(&mut reader, &frame, || usize::MAX).unwrap().is_empty());
    assert!(feed(&mut reader, b"name", || usize::MAX).unwrap().is_empty());
    assert!(reader.payload.capacity() <= 2 * ROOM_BYTES, "{}", reader.payload.capacity());
}

#[test]
fn arbitrary_and_damaged_bytes_never_panic_and_take_no_more_memory_than_twice_what_came() {
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed);
        let mut below = |bound: u64| usize::try_from(chance.below(bound)).unwrap();
        let mut bytes = Vec::new();
        for _ in 0..=below(3) {
            match below(3) {
                0 => (0..below(60)).for_each(|_| bytes.push(u8::try_from(below(256)).unwrap())),
                1 => bytes.extend(call("name", "{\"a\":1}", &vec![b'b'; below(2000)])),
                _ => {
                    let kind = Kind::ALL[below(6)];
                    bytes.extend(header(kind, [0, below(1 << 20), 0, 0]).encode());
                    bytes.resize(bytes.len() + below(3000), b'z');
                }
            }
        }
        for _ in 0..below(3) {
            if !bytes.is_empty() {
                let at = below(bytes.len() as u64);
                bytes[at] = u8::try_from(below(256)).unwrap();
            }
        }
        for mut reader in [FrameReader::of_parent(), FrameReader::of_child(1 << 20)] {
            let read = feed(&mut reader, &bytes, || below(500));
            let most = 2 * (bytes.len() + ROOM_BYTES);
            assert!(reader.payload.capacity() <= most, "seed {seed}: {}", reader.payload.capacity());
            for frame in read.into_iter().flatten() {
                let parts = frame.name().len() + frame.head().len() + frame.body().len();
                assert_eq!(parts, frame.header.payload_bytes(), "seed {seed}");
            }
        }
    }
}
