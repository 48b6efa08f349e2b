package blocklists

import "context"

// Watch tells when a snapshot newer than the one there is now has been stored,
// by whichever process. The channel is closed when ctx ends.
func (l *Library) Watch(ctx context.Context) <-chan struct{} {
	built := make(chan struct{}, 1)
	changed := l.file.Watch(ctx)
	last, _ := l.LastBuild()
	go func() {
		defer close(built)
		for range changed {
			// An import changes the file many times; only a build is news.
			build, err := l.LastBuild()
			if err != nil || build.Number == last.Number && build.At.Equal(last.At) {
				continue
			}
			last = build
			select {
			case built <- struct{}{}:
			default:
			}
		}
	}()
	return built
}
