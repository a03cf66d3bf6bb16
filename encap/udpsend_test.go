package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// away is an endpoint that only a fakeKernel sends to.
func away(last byte) Endpoint {
	return Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, last}), 9338)}
}

// train is a train of frames of one letter each, by which the frames are told apart.
func train(to Endpoint, size int, letters string) Train {
	t := Train{To: to, Size: size}
	for _, l := range []byte(letters) {
		t.Bufs = append(t.Bufs, bytes.Repeat([]byte{l}, size))
	}
	return t
}

// letters are the first bytes of frames.
func letters(frames [][]byte) string {
	var b []byte
	for _, f := range frames {
		b = append(b, f[0])
	}
	return string(b)
}

// counts is a result without its error and what it cost.
func counts(r SendResult) SendResult {
	r.Err, r.Calls, r.Messages = nil, 0, 0
	return r
}

func TestRefusedFramesDoNotStopTheOthers(t *testing.T) {
	cases := map[string]struct {
		answers []answerOf
		taken   string
		want    SendResult
	}{
		"all taken":                {nil, "abcdef", SendResult{Sent: 6}},
		"short counts":             {[]answerOf{{n: 1}, {n: 2}, {n: 1}}, "abcdef", SendResult{Sent: 6}},
		"pending error":            {[]answerOf{{0, unix.ECONNREFUSED}}, "abcdef", SendResult{Sent: 6}},
		"interrupted":              {[]answerOf{{0, unix.EINTR}, {n: 3}, {0, unix.EINTR}}, "abcdef", SendResult{Sent: 6}},
		"no room for a while":      {[]answerOf{{n: 2}, {0, unix.EAGAIN}, {0, unix.EAGAIN}}, "abcdef", SendResult{Sent: 6}},
		"first unreachable":        {[]answerOf{{0, unix.EHOSTUNREACH}, {0, unix.EHOSTUNREACH}}, "bcdef", SendResult{Sent: 5, Unreachable: 1}},
		"one in the middle":        {[]answerOf{{n: 2}, {0, unix.ENETUNREACH}, {0, unix.ENETUNREACH}}, "abdef", SendResult{Sent: 5, Unreachable: 1}},
		"last forbidden":           {[]answerOf{{n: 5}, {0, unix.EPERM}, {0, unix.EPERM}}, "abcde", SendResult{Sent: 5, Unreachable: 1}},
		"too big, not tried again": {[]answerOf{{n: 1}, {0, unix.EMSGSIZE}}, "af", SendResult{Sent: 2, TooBig: 4}},
		"queue full":               {[]answerOf{{0, unix.ENOBUFS}, {0, unix.ENOBUFS}}, "bcdef", SendResult{Sent: 5, Failed: 1}},
		"all at once": {[]answerOf{
			{0, unix.EINTR}, {0, unix.ENOBUFS}, {0, unix.EAGAIN}, {0, unix.ENOBUFS}, {n: 1}, {0, unix.EMSGSIZE}, {0, unix.EINTR},
		}, "bf", SendResult{Sent: 2, Failed: 1, TooBig: 3}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{answers: c.answers}
			r := k.sender(&segmentation{}).send([]Train{
				single(away(1), []byte("a")),
				{To: away(2), Bufs: [][]byte{[]byte("bcde")}, Size: 1},
				single(away(3), []byte("f")),
			})
			if (r.Err == nil) != (r.Sent == 6) {
				t.Errorf("error %v", r.Err)
			}
			if string(k.taken) != c.taken || counts(r) != c.want {
				t.Errorf("taken %q, result %+v; want %q, %+v", k.taken, r, c.taken, c.want)
			}
		})
	}
}

func TestATrainSaysWhichOfItsFramesWereRefusedAsTooLong(t *testing.T) {
	for name, c := range map[string]struct {
		answers []answerOf
		joined  int // frames that the kernel takes in one piece
		want    Run
	}{
		"none":                 {nil, 0, Run{}},
		"another error":        {[]answerOf{{0, unix.EPERM}, {0, unix.EPERM}}, 0, Run{}},
		"all":                  {[]answerOf{{0, unix.EMSGSIZE}}, 0, Run{0, 4}},
		"those behind others":  {[]answerOf{{n: 2}, {0, unix.EMSGSIZE}}, 0, Run{2, 2}},
		"in one piece and not": {[]answerOf{{0, unix.EMSGSIZE}, {n: 1}, {0, unix.EMSGSIZE}}, 64, Run{1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{answers: c.answers}
			trains := []Train{train(away(1), 1000, "abcd"), train(away(2), 10, "e")}
			trains[0].Refused, trains[1].Refused = Run{7, 7}, Run{7, 7} // of an earlier Send
			k.sender(&segmentation{segments: c.joined}).send(trains)
			if trains[0].Refused != c.want || trains[1].Refused != (Run{}) {
				t.Errorf("refused: %+v of the first train, want %+v; %+v of the second", trains[0].Refused, c.want, trains[1].Refused)
			}
		})
	}
}

func TestTrainGoesInOneMessageAndCountsItsFrames(t *testing.T) {
	k := &fakeKernel{}
	r := k.sender(&segmentation{segments: 64}).send([]Train{
		train(away(1), 1000, "abc"), single(away(2), []byte("d")), train(away(3), 500, "ef"),
	})
	want := SendResult{Sent: 6, Calls: 1, Messages: 3}
	if r != want || k.wrong != nil || letters(k.frames[away(1).Addr]) != "abc" || letters(k.frames[away(3).Addr]) != "ef" {
		t.Errorf("%+v, want %+v; taken %q, %v", r, want, k.taken, k.wrong)
	}
}

// The destinations of a property test, by the last byte of their address.
const (
	fine byte = iota + 1
	trainsEIO
	trainsEINVAL
	trainsUnknown
	narrow    // frames over 700 bytes do not fit the route
	oldNarrow // likewise, and trains of them are EINVAL
	gone      // no route
	destinations
)

const narrowMTU = 700

// routes is a kernel with these destinations.
func routes(m sentMessage) unix.Errno {
	size := len(m.data)
	if m.train() {
		size = m.segment
	}
	switch to := m.to.Addr().As4()[3]; {
	case to == gone:
		return unix.ENETUNREACH
	case to == oldNarrow && size > narrowMTU && m.train():
		return unix.EINVAL
	case (to == narrow || to == oldNarrow) && size > narrowMTU:
		return unix.EMSGSIZE
	case to == trainsEIO && m.train():
		return unix.EIO
	case to == trainsEINVAL && m.train():
		return unix.EINVAL
	case to == trainsUnknown && m.train():
		return enotsupp
	default:
		return 0
	}
}

func TestEveryFrameArrivesInOrderOrIsCountedWhateverTheKernelRefuses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := &fakeKernel{refuse: routes}
		k.answers = rapid.SliceOfN(rapid.SampledFrom([]answerOf{
			{0, unix.EINTR}, {0, unix.EAGAIN}, {n: 1}, {n: 1},
		}), 0, 20).Draw(rt, "delays")
		gso := &segmentation{segments: rapid.SampledFrom([]int{0, 63, 128}).Draw(rt, "segments")}
		var trains []Train
		var want SendResult
		arrive, refused := map[netip.AddrPort][][]byte{}, map[byte]bool{}
		for range rapid.IntRange(1, 6).Draw(rt, "trains") {
			to := rapid.ByteRange(fine, destinations-1).Draw(rt, "to")
			train, frames := drawTrain(rt, away(to), 1500)
			trains = append(trains, train)
			for _, f := range frames {
				switch {
				case to == gone:
					want.Unreachable++
				case (to == narrow || to == oldNarrow) && len(f) > narrowMTU:
					want.TooBig++
				default:
					want.Sent++
					arrive[train.To.Addr] = append(arrive[train.To.Addr], f)
				}
			}
			refused[to] = refused[to] || to >= trainsEIO && to <= trainsUnknown && len(frames) > 1 && gso.segments > 0
		}
		r := k.sender(gso).send(trains)
		r.Resent = 0
		if counts(r) != want || k.wrong != nil {
			rt.Fatalf("result %+v, want %+v; %v", r, want, k.wrong)
		}
		for to := fine; to < destinations; to++ {
			addr := away(to).Addr
			if !slices.EqualFunc(k.frames[addr], arrive[addr], bytes.Equal) {
				rt.Errorf("%s got other frames than were sent", addr)
			}
			if gso.refuses(addr) != refused[to] {
				rt.Errorf("refusal of %s is noted: %v", addr, !refused[to])
			}
		}
	})
}

func TestRefusedTrainGoesFrameByFrameAndIsRemembered(t *testing.T) {
	for name, errno := range map[string]unix.Errno{"EIO": unix.EIO, "EINVAL": unix.EINVAL, "EOPNOTSUPP": unix.EOPNOTSUPP} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{refuse: func(m sentMessage) unix.Errno {
				if m.train() && m.to == away(1).Addr {
					return errno
				}
				return 0
			}}
			gso := &segmentation{segments: 64}
			s := k.sender(gso)
			trains := []Train{train(away(1), 100, "abc"), train(away(2), 100, "def"), train(away(1), 100, "gh")}
			r := s.send(trains)
			if r.Sent != 8 || r.Resent != 5 || r.Messages != 6 || r.Err != nil {
				t.Errorf("first: %+v", r)
			}
			k.calls = 0
			if r := s.send(trains); r.Sent != 8 || r.Resent != 0 || r.Messages != 6 || k.calls != 1 {
				t.Errorf("second: %+v in %d calls", r, k.calls)
			}
			gso.renew()
			if r := s.send(trains); r.Resent != 5 {
				t.Errorf("after a change of links: %+v", r)
			}
			if got := letters(k.frames[away(1).Addr]); got != "abcghabcghabcgh" {
				t.Errorf("arrived in the order %q", got)
			}
		})
	}
}

func TestRefusalIsForgottenAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gso := &segmentation{segments: 64}
		gso.refuse(away(1).Addr)
		time.Sleep(refusalFor - time.Nanosecond)
		if !gso.refuses(away(1).Addr) || gso.refuses(away(2).Addr) {
			t.Error("before: not remembered, or for another destination")
		}
		time.Sleep(time.Nanosecond)
		if gso.refuses(away(1).Addr) {
			t.Error("after: still remembered")
		}
	})
}

func TestRefusalsAreBounded(t *testing.T) {
	gso := &segmentation{}
	for i := range 2 * maxRefusals {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9338)
		gso.refuse(addr)
		if !gso.refuses(addr) {
			t.Fatal("the last one is not remembered")
		}
	}
	if n := len(*gso.refused.Load()); n > maxRefusals {
		t.Errorf("%d are kept", n)
	}
}

func TestErrorOfATrainThatIsNoneOfItsFramesFailsThemAll(t *testing.T) {
	k := &fakeKernel{answers: []answerOf{{0, unix.ENOBUFS}, {0, unix.ENOBUFS}}}
	gso := &segmentation{segments: 64}
	r := k.sender(gso).send([]Train{train(away(1), 100, "abc"), train(away(2), 100, "de")})
	if counts(r) != (SendResult{Failed: 3, Sent: 2}) || !errors.Is(r.Err, unix.ENOBUFS) || gso.refuses(away(1).Addr) {
		t.Errorf("%+v", r)
	}
}

func TestTrainFromALostAddressIsNotTakenForARefusedOne(t *testing.T) {
	k := &fakeKernel{refuse: func(m sentMessage) unix.Errno {
		if m.source.IsValid() {
			return unix.EINVAL
		}
		return 0
	}}
	gso := &segmentation{segments: 64}
	lost := train(away(1), 100, "abc")
	lost.To.Local, lost.ECN = netip.MustParseAddr("198.51.100.7"), 1
	r := k.sender(gso).send([]Train{lost})
	if r.Sent != 3 || r.Resent != 0 || r.Messages != 1 || gso.refuses(lost.To.Addr) {
		t.Errorf("%+v", r)
	}
}

func TestNoRoomForLongFailsTheRestClearly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := slices.Repeat([]answerOf{{0, unix.EAGAIN}}, 1000)
		k := &fakeKernel{answers: append([]answerOf{{n: 1}}, full...)}
		s := k.sender(&segmentation{segments: 64})
		s.wait = func(most time.Duration) error {
			time.Sleep(min(most, 30*time.Millisecond))
			return nil
		}
		began := time.Now()
		r := s.send([]Train{single(away(1), []byte("a")), train(away(2), 10, "bcd"), single(away(3), []byte("e"))})
		if counts(r) != (SendResult{Sent: 1, Failed: 4}) || !errors.Is(r.Err, errFull) {
			t.Errorf("%+v", r)
		}
		if took := time.Since(began); took != sendPatience {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestTrainsAreCutAtTheKernelsLimits(t *testing.T) {
	cases := map[string]struct {
		kernel       kernelVersion
		size, frames int
		messages     int
	}{
		"64 segments, old kernel":       {kernelVersion{5, 15}, 10, 64, 2},
		"63 segments, old kernel":       {kernelVersion{6, 8, 12}, 10, 63, 1},
		"128 segments":                  {kernelVersion{6, 9}, 10, 128, 1},
		"129 segments":                  {kernelVersion{6, 9}, 10, 129, 2},
		"65472 bytes":                   {kernelVersion{6, 9}, 21824, 3, 1},
		"65475 bytes":                   {kernelVersion{6, 9}, 21825, 3, 2},
		"two frames that do not fit":    {kernelVersion{6, 9}, 32737, 2, 2},
		"padding takes a segment":       {kernelVersion{7, 0}, 10, 128, 2},
		"no padding where it is mended": {kernelVersion{7, 1, 5}, 10, 128, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			gso := &segmentation{}
			gso.enable(c.kernel)
			k := &fakeKernel{}
			r := k.sender(gso).send([]Train{{To: away(1), Bufs: [][]byte{make([]byte, c.size*c.frames)}, Size: c.size}})
			if r.Sent != c.frames || r.Messages != c.messages || k.wrong != nil {
				t.Errorf("%+v, %v", r, k.wrong)
			}
		})
	}
}

func TestShortLastFrameGoesWithItsTrainToTheLastByte(t *testing.T) {
	gso := &segmentation{segments: 128}
	for bytes, messages := range map[int]int{MaxTrainBytes: 1, MaxTrainBytes + 1: 2} {
		k := &fakeKernel{}
		r := k.sender(gso).send([]Train{{To: away(1), Bufs: [][]byte{make([]byte, bytes)}, Size: 1400}})
		if r.Messages != messages || r.Sent != 47 || k.wrong != nil {
			t.Errorf("%d bytes: %+v, %v", bytes, r, k.wrong)
		}
	}
}

func TestTrainInManyPiecesIsCutWhereTheKernelTakesNoMore(t *testing.T) {
	memory := make([]byte, 2*100*20)
	crumbs := Train{To: away(1), Size: 20}
	for i := range 100 * 20 { // every other byte: what lies side by side is one piece
		crumbs.Bufs = append(crumbs.Bufs, memory[2*i:2*i+1])
	}
	k := &fakeKernel{}
	r := k.sender(&segmentation{segments: 128}).send([]Train{crumbs})
	if r.Sent != 100 || r.Messages != 3 || k.wrong != nil {
		t.Errorf("%+v, %v", r, k.wrong)
	}
}

func TestFrameInTooManyPiecesIsCutOutOfItsTrain(t *testing.T) {
	const size = 2 * maxPieces
	memory := make([]byte, 4*size)
	for i := range memory {
		memory[i] = byte(i)
	}
	first, third := memory[:size], memory[3*size:]
	torn := Train{To: away(1), Size: size, Bufs: [][]byte{first}}
	for i := range size { // the second frame begins right behind the first
		torn.Bufs = append(torn.Bufs, memory[size+2*i:size+2*i+1])
	}
	torn.Bufs = append(torn.Bufs, third)
	k := &fakeKernel{}
	r := k.sender(&segmentation{segments: 64}).send([]Train{torn})
	got := k.frames[away(1).Addr]
	if counts(r) != (SendResult{Sent: 2, Failed: 1}) || r.Err == nil || k.wrong != nil {
		t.Fatalf("%+v, %v", r, k.wrong)
	}
	if !bytes.Equal(got[0], first) || !bytes.Equal(got[1], third) {
		t.Errorf("arrived: %x", got)
	}
}

func TestEqualFramesArePaddedOnlyWhereTheKernelNeedsIt(t *testing.T) {
	for _, c := range []struct {
		release string
		padded  bool
	}{{"6.18.44-fc", false}, {"6.99.0", false}, {"7.0.0-14-generic", true}, {"7.0-rc3", true}, {"7.1.4", true}, {"7.1.5", false}, {"8.0", false}, {"?", false}} {
		gso := &segmentation{}
		gso.enable(parseKernel(c.release))
		k := &fakeKernel{}
		uneven := train(away(2), 100, "abc")
		uneven.Bufs = append(uneven.Bufs, []byte("d"))
		r := k.sender(gso).send([]Train{train(away(1), 100, "abc"), uneven, single(away(3), []byte("e"))})
		frames := k.frames[away(1).Addr]
		if got := len(frames) == 4 && bytes.Equal(frames[3], padding[:]); got != c.padded || r.Sent != 8 || r.Messages != 3 {
			t.Errorf("Linux %s: padded %v, %+v", c.release, got, r)
		}
		if len(k.frames[away(2).Addr]) != 4 || len(k.frames[away(3).Addr]) != 1 {
			t.Errorf("Linux %s: frames that are not equally long are padded", c.release)
		}
	}
}

func TestOnlyOneShortMessageIsSentWithoutWordToTheScheduler(t *testing.T) {
	message := func(pieces ...int) unix.Mmsghdr {
		list := make([]unix.Iovec, len(pieces))
		for i, n := range pieces {
			list[i].SetLen(n)
		}
		head := unix.Mmsghdr{Hdr: unix.Msghdr{Iov: unsafe.SliceData(list)}}
		head.Hdr.SetIovlen(len(list))
		return head
	}
	for _, c := range []struct {
		name  string
		heads []unix.Mmsghdr
		brief bool
	}{
		{"a probe", []unix.Mmsghdr{message(61)}, true},
		{"a packet in pieces", []unix.Mmsghdr{message(8, briefSend-24, 16)}, true},
		{"one byte more", []unix.Mmsghdr{message(8, briefSend-24, 17)}, false},
		{"a train", []unix.Mmsghdr{message(20, 1400, 20, 1400)}, false},
		{"two probes", []unix.Mmsghdr{message(61), message(61)}, false},
	} {
		if got := isBrief(c.heads); got != c.brief {
			t.Errorf("%s: %v, want %v", c.name, got, c.brief)
		}
	}
}
