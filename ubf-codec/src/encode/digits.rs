//! The digits of integers of 64 bits, eight at a time.

/// Room for all of them: a sign, and three words of eight digits.
pub(super) const ROOM: usize = 25;

/// As many values as eight digits have.
const EIGHT_DIGITS: u64 = 100_000_000;

/// Writes the digits of `value` to the front of `room`, and says how many bytes they are. What
/// follows them there is of no meaning.
///
/// The digits of a word are computed beside each other, and its zeros are shifted out: no loop, and
/// no branch that depends on how many digits there are, up to eight.
#[inline(always)]
pub(super) fn write(value: i64, room: &mut [u8; ROOM]) -> usize {
    let magnitude = value.unsigned_abs();
    room[0] = b'-';
    let sign = usize::from(value < 0);
    if magnitude < EIGHT_DIGITS {
        return sign + first(magnitude, sign, room);
    }
    sign + many(magnitude, sign, room)
}

/// Nine digits or more.
#[inline(never)]
fn many(magnitude: u64, at: usize, room: &mut [u8; ROOM]) -> usize {
    let (above, low) = (magnitude / EIGHT_DIGITS, magnitude % EIGHT_DIGITS);
    if above < EIGHT_DIGITS {
        let len = first(above, at, room);
        put(eight(low) | ZEROS, at + len, room);
        return len + 8;
    }
    let len = first(above / EIGHT_DIGITS, at, room);
    put(eight(above % EIGHT_DIGITS) | ZEROS, at + len, room);
    put(eight(low) | ZEROS, at + len + 8, room);
    len + 16
}

/// Eight digits `0`.
const ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// The first digits of a number, without zeros before them; one zero for zero. How many they are.
#[inline(always)]
fn first(value: u64, at: usize, room: &mut [u8; ROOM]) -> usize {
    let digits = eight(value);
    // The highest digit is in the lowest byte.
    let zeros = (digits.trailing_zeros() / 8).min(7);
    put((digits | ZEROS) >> (8 * zeros), at, room);
    8 - zeros as usize
}

#[inline(always)]
fn put(word: u64, at: usize, room: &mut [u8; ROOM]) {
    if let Some(place) = room.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = word.to_le_bytes();
    }
}

/// The eight digits of a number below [`EIGHT_DIGITS`], as numbers from 0 to 9, the highest in the
/// lowest byte.
#[inline(always)]
const fn eight(value: u64) -> u64 {
    // Two numbers of four digits, four of two, eight of one. The factors are the inverses of 100
    // and 10, exact for numbers of this size.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((twos - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn written(value: i64) -> alloc::string::String {
        let mut room = [b'x'; ROOM];
        let len = write(value, &mut room);
        core::str::from_utf8(&room[..len]).unwrap().to_string()
    }

    #[test]
    fn all_numbers_of_four_digits_are_right() {
        for value in -9_999..=9_999 {
            assert_eq!(written(value), value.to_string());
            assert_eq!(written(value * 10_000), (value * 10_000).to_string());
        }
    }

    #[test]
    fn numbers_around_powers_of_two_and_ten_are_right() {
        let powers = (0..19).map(|power| 10_i64.pow(power)).chain((0..63).map(|power| 1 << power));
        for power in powers.chain([i64::MAX, i64::MIN, i64::MAX / 3, 1_020_304_050_607_080_900]) {
            for value in (-2..=2).filter_map(|step| power.checked_add(step)) {
                assert_eq!(written(value), value.to_string());
                assert_eq!(written(value.wrapping_neg()), value.wrapping_neg().to_string());
            }
        }
    }
}
