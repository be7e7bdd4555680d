//! Takes numbers of fixed width off the front of bytes.

/// What is left of bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// Takes the next bytes; `None` when there are not so many.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Takes the next bytes as they stand; `None` when there are not so many.
    pub(crate) fn slice(&mut self, count: usize) -> Option<&'a [u8]> {
        let (slice, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(slice)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_in_order_until_they_run_out() {
        let mut fields = Fields(&[1, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 8]);
        assert_eq!((fields.u8(), fields.u32(), fields.u64()), (Some(1), Some(2), Some(3)));
        assert_eq!(fields.u32(), None);
        assert_eq!((fields.slice(2), fields.slice(1)), (Some([9, 8].as_slice()), None));
    }
}
