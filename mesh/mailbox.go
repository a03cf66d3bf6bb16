package mesh

import "sync"

// The mailbox refuses messages from the network beyond these; what is lost comes again with the next push/pull.
const (
	mailboxMessages = 4096
	mailboxBytes    = 64 << 20
)

// letter is something for the owner goroutine to do. size is what it keeps in memory from the network; 0: our own.
type letter struct {
	size int
	do   func(*owner)
}

// mailbox is how other goroutines reach the owner. Posting never blocks.
type mailbox struct {
	ready chan struct{} // holds one token while there are letters

	mu      sync.Mutex // guards what follows
	letters []letter
	bytes   int
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// post delivers what must not be lost.
func (b *mailbox) post(do func(*owner)) { b.put(letter{do: do}) }

// offer delivers what came from the network, or reports false if the owner is too far behind.
func (b *mailbox) offer(size int, do func(*owner)) bool { return b.put(letter{size: size, do: do}) }

func (b *mailbox) put(l letter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.size > 0 && (len(b.letters) >= mailboxMessages || b.bytes+l.size > mailboxBytes) {
		return false
	}
	b.letters = append(b.letters, l)
	b.bytes += l.size
	select {
	case b.ready <- struct{}{}:
	default:
	}
	return true
}

// take empties the mailbox.
func (b *mailbox) take() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.letters
	b.letters, b.bytes = nil, 0
	return all
}
