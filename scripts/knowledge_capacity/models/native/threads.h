// Work shared among threads, and memory that each thread keeps for its own.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <vector>

namespace kernels {

typedef void (*Pool)(void (*)(void *), void *, unsigned, unsigned);
inline Pool pool = nullptr; // GOMP_parallel of torch's OpenMP runtime, where it has one

// task(0) … task(tasks - 1), each once, on the threads of the OpenMP runtime that torch uses.
template <class Task> void parallel(long tasks, long threads, Task task) {
    struct Job {
        Task &task;
        long tasks;
        std::atomic<long> next;
    } job{task, tasks, {0}};
    auto work = [](void *data) {
        Job &job = *static_cast<Job *>(data);
        for (long i; (i = job.next.fetch_add(1, std::memory_order_relaxed)) < job.tasks;) job.task(i);
    };
    threads = std::min(threads, tasks);
    if (pool && threads > 1)
        pool(work, &job, unsigned(threads), 0);
    else
        work(&job);
}

inline long padded(long n, long to) { return (n + to - 1) / to * to; }

// Scratch of the calling thread: what is taken is aligned, holds garbage, and is given back when the object ends.
// Memory is kept for the next one.
class Scratch {
    struct Block {
        float *memory;
        long size;
    };
    struct Kept {
        std::vector<Block> blocks;
        long used = 0, total = 0, most = 0; // floats taken: of the last block, of all, and the most so far of all
        ~Kept() {
            for (Block &b : blocks) std::free(b.memory);
        }
        void grow(long n) {
            float *memory = static_cast<float *>(std::aligned_alloc(64, n * sizeof(float)));
            if (!memory) std::abort();
            blocks.push_back({memory, n});
            used = 0;
        }
    };
    static Kept &kept() {
        thread_local Kept own;
        return own;
    }
    Kept &own = kept();
    const long used = own.used, total = own.total;
    const size_t depth = own.blocks.size();

  public:
    Scratch() = default;
    Scratch(const Scratch &) = delete;

    ~Scratch() {
        own.used = own.blocks.size() == depth ? used : 0;
        own.total = total;
        if (total || own.blocks.size() < 2) return;
        for (Block &b : own.blocks) std::free(b.memory); // none lives: one block for all of it from now on
        own.blocks.clear();
        own.grow(own.most);
    }

    float *take(long n) {
        n = padded(n, 16);
        if (own.blocks.empty() || own.used + n > own.blocks.back().size) own.grow(std::max(n, own.total));
        float *found = own.blocks.back().memory + own.used;
        own.used += n;
        own.total += n;
        own.most = std::max(own.most, own.total);
        return found;
    }

    float *zeros(long n) {
        float *found = take(n);
        std::fill(found, found + n, 0.0f);
        return found;
    }
};

} // namespace kernels
