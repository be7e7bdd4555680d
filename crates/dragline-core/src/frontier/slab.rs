//! Keeps values under small numbers that are used again when a value is taken out.

/// Values by number. A number stays with its value until the value is removed.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Returns the number of values.
    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a value and returns its number.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(value);
            return number;
        }
        let number = u32::try_from(self.slots.len()).expect("4 billion values do not fit into memory");
        self.slots.push(Some(value));
        number
    }

    /// Takes a value out; its number must be in use.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let value = self.slots[number as usize].take().expect("the number is in use");
        self.free.push(number);
        value
    }

    /// Returns a value whose number is in use.
    pub(super) fn at(&self, number: u32) -> &T {
        self.slots[number as usize].as_ref().expect("the number is in use")
    }

    /// Returns a value whose number is in use, to change it.
    pub(super) fn at_mut(&mut self, number: u32) -> &mut T {
        self.slots[number as usize].as_mut().expect("the number is in use")
    }

    /// Returns every value with its number, in the order of the numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(number, slot)| slot.as_ref().map(|value| (number, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_after_its_value_is_gone() {
        let mut slab = Slab::new();
        let (first, second) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(first), 'a');
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.insert('c'), first);
        *slab.at_mut(second) = 'd';
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(first, &'c'), (second, &'d')]);
        assert_eq!(slab.at(first), &'c');
    }
}
