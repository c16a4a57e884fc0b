#include "threads.hpp"

#include <algorithm>

#if defined(SESR_THREADS)
#include <exception>
#include <thread>
#include <vector>
#endif

namespace sesr {

#if defined(SESR_THREADS)

namespace {

constexpr Index MOST_THREADS = 256;

}  // namespace

void in_bands(Index first, Index last, Index threads, const std::function<void(Index, Index)>& work) {
    const Index count = std::max<Index>(1, std::min({threads, last - first, MOST_THREADS}));
    const Index whole = (last - first) / count, rest = (last - first) % count;
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    const auto begin = [&](Index i) { return first + whole * i + rest * i / count; };
    const auto band = [&](Index i) noexcept {
        try {
            work(begin(i), begin(i + 1));
        } catch (...) {
            errors[static_cast<std::size_t>(i)] = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(count));
    Index started = 1;
    try {
        for (; started < count; ++started) others.emplace_back(band, started);
    } catch (const std::exception&) {  // no more threads, or no memory for them: this thread does the other bands
    }
    band(0);
    for (Index i = started; i < count; ++i) band(i);
    for (std::thread& thread : others) thread.join();
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

#else

void in_bands(Index first, Index last, Index, const std::function<void(Index, Index)>& work) { work(first, last); }

#endif

}  // namespace sesr
