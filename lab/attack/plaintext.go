package attack

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// mark begins every block of plaintext. No key, tag or ciphertext holds it: 2^-64 for each byte that is looked at.
var mark = []byte("\xffWEFTpt\xfe")

// blockLen is the length of a block of plaintext: any 31 bytes of it in a row hold a whole block.
const blockLen = 16

// Plaintext is text of that length, in blocks: a mark, and the number of the block, from first on. The length is rounded up to
// whole blocks.
func Plaintext(first uint64, length int) []byte {
	text := make([]byte, 0, length+blockLen)
	for n := first; len(text) < length; n++ {
		text = binary.BigEndian.AppendUint64(append(text, mark...), n)
	}
	return text
}

// CheckPlaintext reports where text is not what Plaintext makes from block first on.
func CheckPlaintext(text []byte, first uint64) error {
	want := Plaintext(first, len(text))[:len(text)]
	if bytes.Equal(text, want) {
		return nil
	}
	at := 0
	for text[at] == want[at] {
		at++
	}
	return fmt.Errorf("attack: plaintext differs at byte %d of %d", at, len(text))
}

// Blocks is how many blocks of plaintext are in clear in what was captured.
func (c *Capture) Blocks() int { return c.Find(mark) }

// firstBlock is the number of the block that text begins with; 0 if it begins with none.
func firstBlock(text []byte) uint64 {
	if len(text) < blockLen {
		return 0
	}
	return binary.BigEndian.Uint64(text[len(mark):])
}
