package household

import "runtime"

// kept is how many bytes of the heap the result of do holds on to.
func kept[T any](do func() T) (result T, bytes int64) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	result = do()
	return result, heap() - before
}
