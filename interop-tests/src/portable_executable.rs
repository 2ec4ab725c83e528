//! The smallest Windows program that a signer accepts: PE32 headers and one section that returns at once.
//!
//! Written here so that no binary lies in the repository. Offsets are those of the PE format's specification.

const FILE_ALIGNMENT: usize = 0x200;
const PE_HEADER_OFFSET: usize = 0x80;
const OPTIONAL_HEADER_LENGTH: u16 = 0xE0;

/// The whole file: 1 KiB.
#[must_use]
pub fn smallest() -> Vec<u8> {
    let mut file = dos_header();
    file.extend_from_slice(b"PE\0\0");
    file.extend(coff_header());
    file.extend(optional_header());
    file.extend(section_header());
    file.resize(FILE_ALIGNMENT, 0);
    file.push(0xC3); // ret
    file.resize(2 * FILE_ALIGNMENT, 0);
    file
}

fn dos_header() -> Vec<u8> {
    let mut header = b"MZ".to_vec();
    header.resize(0x3C, 0);
    header.extend(0x80_u32.to_le_bytes()); // e_lfanew
    header.resize(PE_HEADER_OFFSET, 0);
    header
}

fn coff_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0x014C_u16.to_le_bytes()); // i386
    header.extend(1_u16.to_le_bytes()); // sections
    header.extend([0; 12]); // time stamp, symbol table
    header.extend(OPTIONAL_HEADER_LENGTH.to_le_bytes());
    header.extend(0x0102_u16.to_le_bytes()); // executable, 32 bit
    header
}

fn optional_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0x010B_u16.to_le_bytes()); // PE32
    header.extend([1, 0]); // linker version
    #[rustfmt::skip]
    let sizes_and_addresses: [u32; 9] = [
        0x200, 0, 0,       // code, initialised and uninitialised data
        0x1000,            // entry point
        0x1000, 0x2000,    // base of code, base of data
        0x0040_0000,       // image base
        0x1000, 0x200,     // section and file alignment
    ];
    header.extend(sizes_and_addresses.into_iter().flat_map(u32::to_le_bytes));
    let versions: [u16; 8] = [4, 0, 0, 0, 4, 0, 0, 0];
    header.extend(versions.into_iter().flat_map(u16::to_le_bytes));
    header.extend(0x2000_u32.to_le_bytes()); // image size
    header.extend(0x200_u32.to_le_bytes()); // headers' size
    header.extend(0_u32.to_le_bytes()); // checksum
    header.extend(3_u16.to_le_bytes()); // console
    header.extend(0_u16.to_le_bytes());
    let stack_and_heap: [u32; 6] = [0x10_0000, 0x1000, 0x10_0000, 0x1000, 0, 16];
    header.extend(stack_and_heap.into_iter().flat_map(u32::to_le_bytes));
    header.resize(usize::from(OPTIONAL_HEADER_LENGTH), 0); // sixteen empty data directories
    header
}

fn section_header() -> Vec<u8> {
    let mut header = b".text\0\0\0".to_vec();
    let sizes_and_addresses: [u32; 4] = [1, 0x1000, 0x200, 0x200];
    header.extend(sizes_and_addresses.into_iter().flat_map(u32::to_le_bytes));
    header.extend([0; 12]); // relocations and line numbers
    header.extend(0x6000_0020_u32.to_le_bytes()); // code, executable, readable
    header
}

#[cfg(test)]
mod tests {
    #[test]
    fn headers_stand_where_the_format_wants_them() {
        let file = super::smallest();
        assert_eq!(file.len(), 1024);
        assert_eq!(file.get(0x80..0x84), Some(b"PE\0\0".as_slice()));
        assert_eq!(file.get(0x98..0x9A), Some([0x0B, 0x01].as_slice()));
        assert_eq!(file.get(0x178..0x17D), Some(b".text".as_slice()));
    }
}
