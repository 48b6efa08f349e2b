# Two commands do all the set-up:
#
#   make run    builds and starts Treehouse with a sample family, no internet needed
#   make test   installs what the tests need and runs everything
#
# The rest is for those who work on it; `make help` lists it.

export PATH := $(CURDIR)/.toolchain/go/bin:$(PATH)
export CGO_ENABLED ?= 0

GO_BUILD := go build -trimpath -ldflags '-s -w'

.DEFAULT_GOAL := help
include deploy/small/small.mk # GO_SMALL, for routers
MIPSLE   := GOOS=linux GOARCH=mipsle GOMIPS=softfloat

.PHONY: help run build test check generated scripts race foreign cross size router pages vm fuzz bench-trie bench-dns setup clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 20

run: build ## build and start with a sample family on 127.0.0.1:5353
	@./treehouse serve --sample --storage-dir run

build: ## build ./treehouse for this machine
	@.ci/setup build
	@$(GO_BUILD) -o treehouse ./cmd/treehouse

test: setup check generated scripts race foreign cross size pages ## install what the tests need and run everything

setup:
	@.ci/setup test

check: ## format, vet, and all tests on this machine, of the tiny build too
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { gofmt -l .; echo 'run gofmt -w on these files'; exit 1; }
	go vet ./...
	go test ./...
	go vet -tags passkeys ./web && go test -tags passkeys -run Passkey ./web
	go vet -tags tiny ./...
	go test -tags tiny ./cmd/treehouse ./web ./blocklists ./resolver

generated: ## check that the pages' Go is what the templates and go.mod's version of templ make
	@before=$$(cat web/*_templ.go | sha256sum) && go generate ./web && test "$$before" = "$$(cat web/*_templ.go | sha256sum)" || \
		{ echo 'the pages were generated anew: look at git diff and commit web/*_templ.go'; exit 1; }

scripts: ## shellcheck every script
	@grep -rlE '^#!/usr/bin/env bash' .ci deploy e2e --include='*' --exclude-dir=node_modules | xargs shellcheck
	@grep -rlE '^#!/bin/sh|^# shellcheck shell=ash' deploy | xargs shellcheck -s dash -e SC1091,SC2034,SC3043

race: ## the tests of what runs at once, under the race detector
	CGO_ENABLED=1 go test -race -short ./filter ./household ./resolver ./e2e

# Other processors, emulated: 32 bits in both byte orders, as routers have them.
foreign: ## the tests of filter, store, blocklists and resolver on mips, mipsle and arm
	GOARCH=mips GOMIPS=softfloat go test -short -exec qemu-mips-static ./filter ./store ./blocklists/... ./resolver
	GOARCH=mipsle GOMIPS=softfloat go test -short -exec qemu-mipsel-static ./filter ./store ./blocklists/... ./resolver
	GOARCH=arm GOARM=7 go test -short -exec qemu-arm-static ./filter ./store ./blocklists/... ./resolver

cross: ## build for every processor we ship for, the tiny build too
	@for target in mips/softfloat mipsle/softfloat arm/5 arm/7 arm64 amd64 riscv64; do \
		arch=$${target%%/*} variant=$${target##*/}; \
		for tags in '' tiny; do \
			GOOS=linux GOARCH=$$arch GOMIPS=softfloat GOARM=$$(echo $$variant | grep -x '[57]') $(GO_BUILD) -tags "$$tags" -o /dev/null ./cmd/treehouse && echo "built for $$target $$tags" || exit 1; \
		done; \
	done

size: $(SMALL) ## print the sizes for mipsle and fail over the budgets (MiB raw, MiB xz)
	@$(MIPSLE) $(GO_SMALL) -o dist/treehouse-mipsle ./cmd/treehouse
	@$(MIPSLE) $(GO_SMALL),tiny -o dist/treehouse-mipsle-tiny ./cmd/treehouse
	@.ci/size dist/treehouse-mipsle mipsle 12 3
	@.ci/size dist/treehouse-mipsle-tiny mipsle_tiny 10.4 2.55 # the aim is 8 and 2; ARCHITECTURE.md says what is in the way

# With GOARCH, TO and perhaps TAGS=tiny; deploy/openwrt packs what it gives. MIPS
# routers have no floating point unit, or one that cannot be relied on.
router: $(SMALL)
	@GOOS=linux GOARCH=$(GOARCH) GOMIPS=softfloat GOARM=7 $(GO_SMALL)$(TAGS:%=,%) -o $(TO) ./cmd/treehouse

pages: ## drive the pages in a browser: tasks, accessibility, a picture of each
	@e2e/web/run

# For the night: it takes some minutes, and .ci/run does without it.
vm: build size ## run on an emulated 64 MB MIPS router with jffs2 and with UBIFS (fetches Debian's kernel, once)
	@e2e/vm/need && go run ./e2e/vm

fuzz: ## fuzz everything that parses, 30 s each
	@.ci/fuzz 30s

bench-trie: ## bytes, build memory and speed of the trie beside others
	@cd bench && go run ./trie

bench-dns: ## CPU per query beside unbound and dnsmasq
	@cd bench && go run ./dns

clean: ## remove what was built and what `make run` stored
	rm -rf treehouse dist run
