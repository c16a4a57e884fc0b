#include "threads.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

namespace sesr {

namespace {

constexpr Index MOST_THREADS = 256;

}  // namespace

void in_bands(Index first, Index last, Index threads, const std::function<void(Index, Index)>& work) {
    const Index count = std::max<Index>(1, std::min({threads, last - first, MOST_THREADS}));
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    const auto band = [&](Index i) noexcept {
        try {
            work(first + (last - first) * i / count, first + (last - first) * (i + 1) / count);
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

}  // namespace sesr
