// How much memory there is, and the refusal of what needs more.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace rnnfast {

// Bytes that this process may come to use: the machine's memory with its swap space, or less where
// the process or its container is held to less.
double memory_limit();

// "12.0 TiB"
std::string text_of_bytes(double bytes);

// The product of sizes, as exact as a double is: for sizes that no integer holds.
double bytes_of(std::initializer_list<std::int64_t> shape, std::size_t item);

[[noreturn]] void throw_memory_error(const std::string& message);

// Throws MemoryError, "`what` needs 12.0 TiB, more than the 23.4 GiB there are", unless so many
// bytes may be had. To be asked before memory is, for sizes that are numbers of the caller's.
void require_memory(const std::string& what, double bytes);

}  // namespace rnnfast
